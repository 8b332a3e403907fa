import {
  type GivenToken,
  rotate,
  type RotationCase,
  ROTATION_CASES,
  type RotationState,
  startsWindow,
  use,
} from '../../lib/rules/rotation.js';

/**
 * Whether an honest client can be refused after its database has lost commits: a copy of the row is made at any moment,
 * and takes its place at any later one. Each refresh brings the refresh token that the client keeps, and the access
 * token that came with it.
 */
export interface LossyRules {
  readonly rotate: typeof rotate;
  readonly use: typeof use;
}

export interface LostCommits {
  readonly states: number;
  readonly cases: ReadonlySet<RotationCase>;
  /** The first refusal found and the way to it. */
  readonly refusal?: { readonly name: RotationCase; readonly steps: readonly string[] };
}

/** A refresh token, and when the access token was issued that came with it. */
interface Pair {
  readonly generation: number;
  readonly hash: string;
  readonly issuedAt: number;
}

interface Row extends RotationState {
  readonly seenAt: number;
}

interface World {
  readonly row: Row;
  /** A standby that no longer follows, or a backup; null before it is made and after it has taken the row's place. */
  readonly copy: Row | null;
  readonly hasFailedOver: boolean;
  readonly kept: Pair;
  readonly steps: readonly string[];
}

const FIRST: Row = {
  generation: 0,
  tokenHash: '0',
  successorHash: null,
  previousHash: null,
  inWindow: false,
  seenAt: 0,
};

/** @param depth how many steps the search goes at most */
export function exploreLostCommits(depth: number, rules: LossyRules = { rotate, use }, brings = true): LostCommits {
  const visited = new Set<string>();
  const cases = new Set<RotationCase>();
  let worlds: World[] = [
    { row: FIRST, copy: null, hasFailedOver: false, kept: { generation: 0, hash: '0', issuedAt: 0 }, steps: [] },
  ];
  for (let now = 1; now <= depth; now++) {
    const next: World[] = [];
    for (const world of worlds) {
      for (const answered of [true, false]) {
        const { name, world: refreshed } = refresh(world, now, answered, rules, brings);
        cases.add(name);
        const steps = [...world.steps, `${name}${answered ? '' : ', answer lost'}`];
        if (ROTATION_CASES[name] === 'refused') return { states: visited.size, cases, refusal: { name, steps } };
        next.push({ ...refreshed, steps });
      }
      const used = useAccessToken(world, rules);
      if (used.name === 'fork') {
        return { states: visited.size, cases, refusal: { name: 'fork', steps: [...world.steps, 'fork by use'] } };
      }
      next.push(...otherMoves(world, now, used));
    }
    worlds = next.filter(world => {
      const key = keyOf(world);
      return !visited.has(key) && visited.add(key);
    });
  }
  return { states: visited.size, cases };
}

function refresh(world: World, now: number, answered: boolean, rules: LossyRules, brings: boolean) {
  const { row, kept } = world;
  const issue = kept.issuedAt > row.seenAt ? 'later' : 'known';
  const given: GivenToken = { ...kept, issue: brings && kept.generation > row.generation ? issue : undefined };
  // An HMAC of the parent and a random salt: each is another one.
  const candidate = `${kept.generation + 1} of step ${now}`;
  const { name, next } = rules.rotate(row, given, candidate);
  const answer = {
    'new-successor': { generation: kept.generation + 1, hash: candidate },
    'same-successor': { generation: kept.generation + 1, hash: row.successorHash! },
    given: kept,
    current: { generation: row.generation, hash: row.tokenHash },
    refused: kept,
  }[ROTATION_CASES[name]];
  const { generation, hash } = answer;
  const refreshed = {
    ...world,
    row: { ...next, inWindow: startsWindow(name) || row.inWindow, seenAt: now },
    kept: answered ? { generation, hash, issuedAt: now } : kept,
  };
  return { name, world: refreshed };
}

function useAccessToken({ row, kept }: World, rules: LossyRules): ReturnType<typeof use> {
  const used = { generation: kept.generation, branch: kept.hash, isLater: kept.issuedAt > row.seenAt };
  return rules.use(row, used, hash => hash);
}

function otherMoves(world: World, now: number, { name, next }: ReturnType<typeof use>): World[] {
  const { row, copy, hasFailedOver, steps } = world;
  const move = (step: string, change: Partial<World>): World => ({ ...world, ...change, steps: [...steps, step] });
  return [
    move('the window ends', { row: { ...row, inWindow: false } }),
    ...(name === 'confirmed-by-use' ? [move(name, { row: { ...next, inWindow: true, seenAt: now } })] : []),
    ...(copy || hasFailedOver ? [] : [move('a copy is made', { copy: row })]),
    ...(copy ? [move('the copy takes its place', { row: copy, copy: null, hasFailedOver: true })] : []),
  ];
}

/** Only the order of times matters, and which hashes are the same. */
function keyOf({ row, copy, hasFailedOver, kept }: World): string {
  const times = [row.seenAt, copy?.seenAt, kept.issuedAt];
  const order = [...new Set(times.filter(time => time !== undefined))].toSorted((one, other) => one - other);
  const rows = [row, copy].map(each => each && { ...each, seenAt: order.indexOf(each.seenAt) });
  const text = JSON.stringify([rows, hasFailedOver, { ...kept, issuedAt: order.indexOf(kept.issuedAt) }]);
  const hashes = [...new Set(text.match(/\d+ of step \d+/g))];
  return text.replaceAll(/\d+ of step \d+/g, hash => `hash ${hashes.indexOf(hash)}`);
}
