// A gRPC client and a gRPC backend of @grpc/grpc-js, for comparing what each sees with and without
// a proxy between them. "main.js backend" prints its port, then one JSON line per call as it saw it;
// "main.js client HOST:PORT" runs every scenario and prints one JSON line for each. "main.js reflection backend"
// prints its port and serves shop.proto with reflection; "main.js faults HOST:PORT" makes the calls on standard input.
import { serve } from "./backend.js";
import { callAll } from "./client.js";
import { callFaults } from "./faults.js";
import { reflect } from "./reflection.js";

const [what, address] = process.argv.slice(2);
if (what === "backend") serve();
else if (what === "reflection" && address === "backend") reflect();
else if (what === "client" && address) await callAll(address);
else if (what === "faults" && address) await callFaults(address);
else {
  console.error("usage: main.js [reflection] backend | main.js client|faults HOST:PORT");
  process.exit(2);
}
