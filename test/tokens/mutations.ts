const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** What somebody, or a lenient decoder, may take for a character of a token. */
const LOOK_ALIKES: Record<string, string[]> = {
  '.': ['。', '．', '․', '·', ',', '%2E', '\0', '..'],
  '-': ['‐', '−', '–', '－', '\u00ad', '+'],
  _: ['＿', '‿', '/', '\u0332'],
  a: ['а', 'ａ', 'á', 'a\u0301', 'ª'],
  K: ['\u212a', 'К'],
  s: ['ſ', 'ѕ'],
  i: ['ı', 'і', 'ｉ'],
  0: ['０', '٠', 'O'],
};

const BLANKS = [
  ...' \t\n\v\f\r\0=&;,:#?%"\'\u0085\u00a0\u00ad\u200b\u200d\u2028\u2029\u202e\u3000\ufeff\ufffd',
  '\r\n',
  '😀',
];

/** Ways to be wrong at one place: each bit that a character carries, and a character left out, doubled or exchanged. */
const CHANGES: ((here: string, next: string) => string)[] = [
  ...[1, 2, 4, 8, 16, 32].map(bit => (here: string, next: string) => {
    const index = ALPHABET.indexOf(here);
    return (index < 0 ? '' : ALPHABET[index ^ bit]!) + next;
  }),
  (_here, next) => next,
  (here, next) => here + here + next,
  (here, next) => next + here,
];

/** The token wrong at one place, for every place; the ways take turns. */
export function neighbours(token: string): string[] {
  const all = Array.from(token, (here, at) => {
    const change = CHANGES[at % CHANGES.length]!;
    return token.slice(0, at) + change(here, token[at + 1] ?? '') + token.slice(at + 2);
  });
  return all.filter(other => other !== token);
}

/** The token with other characters that look like its own, or like nothing. */
export function lookAlikes(token: string): string[] {
  const letters = Object.entries(LOOK_ALIKES).flatMap(([letter, others]) =>
    others.map(other => token.replace(letter, () => other)),
  );
  const blanks = BLANKS.flatMap(blank => [
    blank + token,
    token + blank,
    token.slice(0, 20) + blank + token.slice(20),
    token.replaceAll('.', `${blank}.`),
    token.replaceAll('.', `.${blank}`),
  ]);
  // A letter that the token does not have changes nothing.
  return [...letters, ...blanks].filter(other => other !== token);
}
