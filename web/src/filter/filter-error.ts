/** A syntax error in a filter. `column` is 0-based, in UTF-16 code units. */
export class FilterError extends Error {
  constructor(
    message: string,
    readonly column: number,
    readonly hint = "",
  ) {
    super(message);
  }
}
