/**
 * Makes a function that begins a turn, and returns a function that says whether no other one has begun since:
 * answers may come in another order than they were asked for, and a late one must not show what is no longer so.
 */
export function turns() {
  let last = 0;
  return () => {
    const turn = ++last;
    return () => turn === last;
  };
}
