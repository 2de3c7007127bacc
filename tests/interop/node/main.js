// A gRPC client and a gRPC backend of @grpc/grpc-js, for comparing what each sees with and without
// a proxy between them. "main.js backend" prints its port, then one JSON line per call as it saw it;
// "main.js client HOST:PORT" runs every scenario and prints one JSON line for each. "main.js reflection backend"
// prints its port and serves shop.proto with reflection.
import { serve } from "./backend.js";
import { callAll } from "./client.js";
import { reflect } from "./reflection.js";

const [what, address] = process.argv.slice(2);
if (what === "backend") serve();
else if (what === "reflection" && address === "backend") reflect();
else if (what === "client" && address) await callAll(address);
else {
  console.error("usage: main.js [reflection] backend | main.js client HOST:PORT");
  process.exit(2);
}
