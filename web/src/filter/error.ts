/** What is wrong with a filter, and where: `column` is 0-based, in UTF-16 units as the input box counts. */
export class FilterError extends Error {
  constructor(
    message: string,
    readonly column: number,
    readonly hint = "",
  ) {
    super(message);
  }
}
