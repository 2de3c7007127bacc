import { createHash } from "node:crypto";
import { Client, credentials } from "@grpc/grpc-js";
import { made, shown } from "./metadata.js";

const bytes = (message) => message;
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

function brief(message) {
  if (message.length <= 40) return message.toString("latin1");
  return `${message.length} bytes ${createHash("sha256").update(message).digest("hex").slice(0, 16)}`;
}

// A call of no declared stream type, and the promise of all that came of it.
function open(client, scenario, method, { pairs = [], deadline } = {}) {
  const metadata = made([["scenario", scenario], ...pairs]);
  const options = deadline ? { deadline: Date.now() + deadline } : {};
  const call = client.makeBidiStreamRequest(`/zoo.Zoo/${method}`, bytes, bytes, metadata, options);
  const result = { scenario, header: null, messages: [], code: null, message: "", trailer: null };
  call.on("metadata", (header) => (result.header = shown(header)));
  call.on("data", (message) => result.messages.push(brief(message)));
  call.on("error", () => {});
  const done = new Promise((resolve) =>
    call.on("status", ({ code, details, metadata: trailer }) => {
      Object.assign(result, { code, message: details, trailer: shown(trailer) });
      console.log(JSON.stringify(result));
      resolve(result);
    }),
  );
  return { call, done };
}

async function finish(client, scenario, method, messages, options) {
  const { call, done } = open(client, scenario, method, options);
  for (const message of messages) call.write(Buffer.from(message));
  call.end();
  await done;
}

async function kinds(client) {
  const pairs = [["echo-a", "1"], ["echo-b-bin", "\x00\xff\x10"], ["echo-a", "2"], ["echo-empty", ""]];
  const { call, done } = open(client, "ping-pong", "Echo", { pairs });
  for (let turn = 0; turn < 5; turn++) {
    call.write(Buffer.from(`ping ${turn}`));
    await new Promise((go) => call.once("data", go));
  }
  call.end();
  await done;
  await finish(client, "client stream", "Collect", ["a", "bb", "", "ccc"]);
  await finish(client, "server stream", "Repeat", ["5 3"]);
  await finish(client, "empty messages", "Echo", ["", "", ""]);
  await finish(client, "no messages", "Echo", []);
  await finish(client, "1000 messages", "Repeat", ["1000 10"]);
  await finish(client, "16 MiB", "Echo", [Buffer.alloc(16 << 20, "0123456789abcdef")]);
  await new Promise((go) =>
    client.makeUnaryRequest("/zoo.Zoo/Echo", bytes, bytes, Buffer.from("hello"), made([["scenario", "unary"]]), (error, answer) => {
      console.log(JSON.stringify({ scenario: "unary", code: error?.code ?? 0, messages: [brief(answer)] }));
      go();
    }),
  );
}

async function statuses(client) {
  for (let code = 0; code <= 16; code++)
    await finish(client, `status ${code}`, "Status", [], { pairs: [["code", String(code)]] });
  await finish(client, "unknown method", "NoSuchMethod", ["x"]);
  await finish(client, "partial", "Partial", []);
  for (let round = 0; round < 20; round++) {
    const { call, done } = open(client, `early ${round}`, "Early");
    let ended = false;
    done.then(() => (ended = true));
    while (!ended) {
      call.write(Buffer.alloc(5000));
      await pause(0);
    }
  }
}

async function endings(client) {
  const header = open(client, "header", "Header");
  await new Promise((go) => header.call.once("metadata", go));
  header.call.cancel();
  await header.done;
  for (const [scenario, method] of [["cancelled", "Hang"], ["interrupted upload", "Collect"]]) {
    const { call, done } = open(client, scenario, method);
    call.write(Buffer.from("one"));
    call.write(Buffer.from("two"));
    await pause(200);
    call.cancel();
    await done;
  }
  const { call, done } = open(client, "deadline", "Hang", { deadline: 400 });
  call.write(Buffer.from("one"));
  await done;
}

export async function callAll(address) {
  const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  const client = new Client(address, credentials.createInsecure(), unlimited);
  await kinds(client);
  await statuses(client);
  await endings(client);
  client.close();
}
