import { Metadata } from "@grpc/grpc-js";

export function made(pairs) {
  const metadata = new Metadata();
  for (const [key, value] of pairs) metadata.add(key, key.endsWith("-bin") ? Buffer.from(value, "latin1") : value);
  return metadata;
}

// Every value by key; binary ones as hex.
export function shown(metadata) {
  const all = {};
  for (const key of Object.keys(metadata.getMap()).sort())
    all[key] = metadata.get(key).map((value) => (Buffer.isBuffer(value) ? value.toString("hex") : value));
  return all;
}
