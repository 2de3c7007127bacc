// The client of faults, as tests/interop/fault_scenarios.py describes: the calls on standard input, one JSON line for each.
import { text } from "node:stream/consumers";
import { Client, credentials } from "@grpc/grpc-js";
import { made, shown } from "./metadata.js";

const TEXTS = { Watch: ["a request"], Chat: ["a", "b", "c"], Hold: ["a"] };
const bytes = (message) => message;
const brief = (message) => (message.length < 100 ? message.toString("latin1") : `${message.length} bytes`);

// A message that begins with 0xff cannot be decoded.
function decode(message) {
  if (message[0] === 0xff) throw new Error("not decodable");
  return message;
}

function callFault(client, { scenario, path, method, timeout_ms: timeout }) {
  const options = timeout ? { deadline: Date.now() + timeout } : {};
  const metadata = made([["scenario", scenario]]);
  const result = { scenario, code: null, message: "", header: {}, trailer: {}, messages: [] };
  return new Promise((resolve) => {
    let call;
    if (method === "Get")
      call = client.makeUnaryRequest(path, bytes, decode, Buffer.from("a request"), metadata, options, (error, answer) => {
        if (error) Object.assign(result, { code: error.code, message: error.details });
        else result.messages.push(brief(answer));
        ended();
      });
    else if (method === "Watch")
      call = client.makeServerStreamRequest(path, bytes, decode, Buffer.from("a request"), metadata, options);
    else call = client.makeBidiStreamRequest(path, bytes, decode, metadata, options);
    // A unary call reports twice: to its callback, and as an event with the trailers.
    let reports = method === "Get" ? 2 : 1;
    const ended = () => --reports === 0 && resolve(result);
    const texts = method in TEXTS && method !== "Watch" ? [...TEXTS[method]] : [];
    const send = () => {
      if (texts.length > 0) call.write(Buffer.from(texts.shift()));
      else if (method === "Chat") call.end();
    };
    call.on("metadata", (header) => (result.header = shown(header)));
    call.on("status", ({ code, details, metadata: trailer }) => {
      if (result.code === null) Object.assign(result, { code, message: details });
      result.trailer = shown(trailer);
      ended();
    });
    if (method === "Get") return;
    call.on("error", () => {});
    call.on("data", (message) => {
      result.messages.push(brief(message));
      if (method !== "Watch") send();
    });
    if (method !== "Watch") send();
  });
}

export async function callFaults(address) {
  const { service_config: config, calls } = JSON.parse(await text(process.stdin));
  const client = new Client(address, credentials.createInsecure(), { "grpc.service_config": JSON.stringify(config) });
  for (const call of calls) console.log(JSON.stringify(await callFault(client, call)));
  client.close();
}
