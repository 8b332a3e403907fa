/** The known option that was probably meant. It may belong to another group, or be a group itself. */
export function nearestOption(name: string, known: readonly string[]): string | undefined {
  const groups = known.flatMap(option => (option.includes('.') ? [option.slice(0, option.lastIndexOf('.'))] : []));
  const [nearest] = [...known, ...groups]
    .map(option => ({
      option,
      distance: editDistance(lastPart(name), lastPart(option)),
      distanceOfPath: editDistance(name, option),
    }))
    .filter(({ option, distance }) => distance <= Math.ceil(lastPart(option).length / 3))
    .sort((a, b) => a.distance - b.distance || a.distanceOfPath - b.distanceOfPath);
  return nearest?.option;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toLowerCase();
}

/** The Levenshtein distance: how many characters to insert, delete or replace. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1];
    for (let at = 1; at <= other.length; at++) {
      const replaced = row[at - 1]! + (character === other[at - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[at]! + 1, next[at - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}
