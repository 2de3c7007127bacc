/** The name that a misspelt one was probably meant to be. */

/** Edit distance (Levenshtein) of two words. */
function distance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** The first of `names` that starts with `word`, else the closest within a third of its length, else null. */
export function closestName(word: string, names: Iterable<string>): string | null {
  let closest: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    if (name === "") continue;
    if (name.startsWith(word)) return name;
    const edits = distance(word, name);
    if (edits < least) [closest, least] = [name, edits];
  }
  return closest;
}
