// Makes one call of each kind to the demo backend: node client.mjs [HOST:PORT]
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const protos = fileURLToPath(new URL("../../loom/demo/protos", import.meta.url));
const files = ["vessels", "cargo", "radio"].map((name) => `harbour/v1/${name}.proto`);
const definition = protoLoader.loadSync(files, { includeDirs: [protos], keepCase: true, longs: Number });
const { Vessels, Cargo, Radio } = grpc.loadPackageDefinition(definition).harbour.v1;

const address = process.argv[2] ?? "localhost:9999";
const insecure = grpc.credentials.createInsecure();
const ships = new Vessels(address, insecure);
const freight = new Cargo(address, insecure);
const waves = new Radio(address, insecure);

/** The response of a unary call as a promise. */
const answer = (call) =>
  new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));

const vessel = await answer((done) => ships.GetVessel({ id: "v-4" }, done));
console.log("unary:", vessel.name, "carries", vessel.records.length, "records");

const updates = ships.WatchPositions({ vessel_ids: ["v-2"] });
updates.on("error", (error) => {
  if (error.code !== grpc.status.CANCELLED) throw error;
});
const seen = [];
for await (const update of updates.iterator({ destroyOnReturn: false })) {
  seen.push(update.vessel_id);
  if (seen.length === 2) break;
}
updates.cancel();
console.log("server stream:", JSON.stringify(seen));

const receipt = await answer((done) => {
  const call = freight.LoadManifest(done);
  for (const n of [1, 2, 3]) call.write({ number: `C-${n}`, weight_kg: 1000 * n, destination: "Tallinn" });
  call.end();
});
console.log("client stream:", receipt.containers, "containers,", JSON.stringify(receipt.weight_kg_by_destination));

const talk = waves.Talk();
for (const speech of ["hello, over", "bye, out"]) talk.write({ sender: "Petrel", channel: 16, speech });
talk.end();
const heard = [];
for await (const transmission of talk) heard.push(transmission.speech);
console.log("both ways:", JSON.stringify(heard));

try {
  await answer((done) => ships.GetVessel({ id: "nobody" }, done));
} catch (error) {
  console.log("an error:", grpc.status[error.code], "-", error.details);
}
for (const client of [ships, freight, waves]) client.close();
