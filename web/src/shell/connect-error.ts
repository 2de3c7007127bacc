/**
 * The reason of a failed connection, without the addresses that the page shows anyway: "connection refused" for
 * "Loom could not reach the target localhost:50051: ipv4:127.0.0.1:50051: Failed to connect to remote host: Connection refused".
 */
export function connectErrorReason(error: string): string {
  const reason = error
    .replace(/^.*? the target \S+: /, "")
    .replace(/^(?:ipv4|ipv6|unix|dns):\S+: /, "")
    .replace(/^Failed to connect to remote host: /i, "")
    .replace(/\.$/, "");
  return /^[A-Z][a-z]/.test(reason) ? reason.charAt(0).toLowerCase() + reason.slice(1) : reason;
}
