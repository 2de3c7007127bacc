/** "Could not load bad.proto: line 4: expected ;" for the compiler's "bad.proto:4:10: expected ;". */
export const formatProblem = (problem: string): string =>
  problem.replace(
    /^(.+?\.proto):(\d+):(?:\d+:)? */,
    (_, file: string, line: string) => `Could not load ${file}: line ${line}: `,
  );
