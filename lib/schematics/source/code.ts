/** Expressions between brackets, broken into lines where they do not fit into one. */
export interface CodeList {
  readonly open: string;
  readonly items: readonly Code[];
  readonly close: string;
}

export type Code = string | CodeList;

export interface Layout {
  /** One step of indentation. */
  readonly unit: string;
  readonly newline: string;
}

/** What prettier has as its default. */
export const WIDTH = 80;

/** @returns the code; all lines but the first are indented by `indent`, and a comma still fits behind */
export function print(code: Code, indent: string, layout: Layout): string {
  const flat = inline(code);
  return typeof code === 'string' || indent.length + flat.length < WIDTH ? flat : printLines(code, indent, layout);
}

export function printLines({ open, items, close }: CodeList, indent: string, layout: Layout): string {
  const inner = indent + layout.unit;
  const lines = items.map(item => `${inner}${print(item, inner, layout)},`);
  return [open, ...lines, indent + close].join(layout.newline);
}

/** @returns the code in one line */
export function inline(code: Code): string {
  if (typeof code === 'string') return code;
  const items = code.items.map(inline).join(', ');
  const space = code.open.endsWith('{') ? ' ' : '';
  return code.open + space + items + space + code.close;
}
