/**
 * Every order in which `parties` can each take `steps` steps, as lists of parties. Parties are interchangeable, so
 * orders that differ only in names are listed once.
 */
export function interleavings(parties: number, steps: number): number[][] {
  const orders: number[][] = [];
  const taken = Array.from({ length: parties }, () => 0);
  const extend = (order: number[]) => {
    if (order.length === parties * steps) orders.push([...order]);
    for (let party = 0; party < parties; party++) {
      // Party n begins after party n - 1 has begun.
      if (taken[party] === steps || (party > 0 && taken[party - 1] === 0)) continue;
      taken[party]!++;
      extend([...order, party]);
      taken[party]!--;
    }
  };
  extend([]);
  return orders;
}
