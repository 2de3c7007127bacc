import { fileURLToPath } from "node:url";
import { loadPackageDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";

/** A shop that gives every order back, and says what it is by @grpc/reflection. */
export function reflect() {
  const definition = loadSync(fileURLToPath(new URL("shop.proto", import.meta.url)));
  const server = new Server();
  server.addService(loadPackageDefinition(definition).shop.v1.Shop.service, {
    Get: ({ request }, answer) => answer(null, request),
  });
  new ReflectionService(definition).addToServer(server);
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
}
