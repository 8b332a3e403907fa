/** How a file is written, as far as it can be seen without a formatter. */
export interface Style {
  readonly quote: string;
  readonly semicolon: '' | ';';
  /** One step of indentation. */
  readonly unit: string;
  readonly newline: string;
}

export const DEFAULT_STYLE: Style = { quote: "'", semicolon: ';', unit: '  ', newline: '\n' };

/** @param statement the file's first statement, which shows the quotes and whether semicolons are written */
export function styleOf(text: string, statement: string | undefined): Style {
  const indented = text.split(/\r?\n/).find(line => /^[ \t]+[^\s*]/.test(line));
  return {
    quote: /['"]/.exec(statement ?? '')?.[0] ?? DEFAULT_STYLE.quote,
    semicolon: statement === undefined || statement.endsWith(';') ? ';' : '',
    unit: /^[ \t]+/.exec(indented ?? '')?.[0] ?? DEFAULT_STYLE.unit,
    newline: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

/** @returns code that is written in the default style, in another one; all lines but the first are indented further */
export function inStyle(code: string, { quote, semicolon, unit, newline }: Style, indent = ''): string {
  const lines = code.replaceAll("'", quote).split('\n');
  const styled = lines.map((line, index) => {
    const [spaces] = /^(?: {2})*/.exec(line)!;
    const rest = line.slice(spaces.length);
    // An odd space continues a comment.
    const inner = rest.startsWith(' ') ? spaces : unit.repeat(spaces.length / 2);
    return (index === 0 || line === '' ? '' : indent) + inner + (semicolon ? rest : rest.replace(/;$/, ''));
  });
  return styled.join(newline);
}
