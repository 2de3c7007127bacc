import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { made, shown } from "./metadata.js";

const bytes = (message) => message;

// Each behaviour gets the call and what is noted of it.
const behaviours = {
  Echo(call, seen) {
    const back = Object.entries(shown(call.metadata)).filter(([key]) => key.startsWith("echo-"));
    const pairs = back.flatMap(([key, values]) =>
      values.map((value) => [key, key.endsWith("-bin") ? Buffer.from(value, "hex").toString("latin1") : value]),
    );
    if (pairs.length) call.sendMetadata(made(pairs));
    call.on("data", (message) => {
      note(seen, message);
      call.write(message);
    });
    call.on("end", () => {
      seen.end = "half-closed";
      call.end(made(pairs));
      report(seen);
    });
  },
  Collect(call, seen) {
    call.on("data", (message) => note(seen, message));
    call.on("end", () => {
      if (call.cancelled) return;
      seen.end = "half-closed";
      call.write(Buffer.from(`${seen.messages} ${seen.bytes}`));
      call.end();
      report(seen);
    });
  },
  Repeat(call, seen) {
    call.once("data", async (request) => {
      const [count, size] = request.toString().split(" ").map(Number);
      for (let number = 0; number < count; number++) {
        if (!call.write(Buffer.alloc(size, number % 256))) await new Promise((go) => call.once("drain", go));
      }
      call.end();
      report(seen);
    });
  },
  Status(call, seen) {
    const code = Number(call.metadata.get("code")[0]);
    const trailers = made([["left", "one"], ["left", "two"], ["left-bin", "\x00\xff"], ["grpc-status-details-bin", "\x08\x05"]]);
    if (code) call.emit("error", { code, details: "grüße 世界 % ☃", metadata: trailers });
    else call.end(trailers);
    report(seen);
  },
  Partial(call, seen) {
    for (const text of ["one", "two", "three"]) call.write(Buffer.from(text));
    call.emit("error", { code: status.RESOURCE_EXHAUSTED, details: "three are enough" });
    report(seen);
  },
  Early(call, seen) {
    call.emit("error", { code: status.PERMISSION_DENIED, details: "not for you" });
    report(seen);
  },
  Header(call) {
    call.sendMetadata(made([["early", "yes"], ["early", "again"], ["early-bin", "\x01"]]));
  },
  Hang(call, seen) {
    call.on("data", (message) => note(seen, message));
  },
};

function note(seen, message) {
  seen.messages += 1;
  seen.bytes += message.length;
}

function report(seen) {
  if (seen.reported) return;
  seen.reported = true;
  const { reported, ...rest } = seen;
  console.log(JSON.stringify(rest));
}

function handler(name, behave) {
  return (call) => {
    const seen = {
      scenario: String(call.metadata.get("scenario")[0] ?? ""),
      method: name,
      metadata: shown(call.metadata),
      messages: 0,
      bytes: 0,
      end: "",
    };
    call.on("cancelled", () => {
      seen.end = "cancelled";
      report(seen);
    });
    call.on("error", () => {});
    behave(call, seen);
  };
}

export function serve() {
  const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  const server = new Server(unlimited);
  const definition = {};
  const implementation = {};
  for (const [name, behave] of Object.entries(behaviours)) {
    definition[name] = {
      path: `/zoo.Zoo/${name}`,
      requestStream: true,
      responseStream: true,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    };
    implementation[name] = handler(name, behave);
  }
  server.addService(definition, implementation);
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
}
