import type * as TS from 'typescript';
import { type CodeList, type Code, inline, type Layout, print, printLines, WIDTH } from './code.js';
import { Refusal } from './refusal.js';
import type { TypeScript } from './typescript.js';

interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface ImportedName {
  readonly local: string;
  readonly imported: string;
  readonly module: string;
  readonly typeOnly: boolean;
}

/** A list between brackets: the elements of an array, the properties of an object, the names of an import. */
export type List = TS.ArrayLiteralExpression | TS.ObjectLiteralExpression | TS.NamedImports;

/** Adds to a source file by its syntax tree, in the file's own style. All else stays byte for byte. */
export class SourceEditor {
  readonly file: TS.SourceFile;
  private changes: Change[] = [];
  private readonly imports = new Map<string, string[]>();
  private readonly quote: string;
  private readonly semicolon: string;
  private readonly newline: string;

  constructor(
    readonly typescript: TypeScript,
    readonly path: string,
    private readonly text: string,
  ) {
    this.file = typescript.createSourceFile(path, text, typescript.ScriptTarget.Latest, true);
    const first = this.importDeclarations[0];
    this.quote = first?.moduleSpecifier.getText(this.file)[0] ?? "'";
    this.semicolon = first === undefined || first.getText(this.file).endsWith(';') ? ';' : '';
    this.newline = text.includes('\r\n') ? '\r\n' : '\n';
  }

  get importDeclarations(): TS.ImportDeclaration[] {
    return this.file.statements.filter(statement => this.typescript.isImportDeclaration(statement));
  }

  /** @returns the name by which the file knows what a module exports, or undefined where it does not import it */
  localName(name: string, module: string): string | undefined {
    return this.specifiers().find(one => one.module === module && one.imported === name && !one.typeOnly)?.local;
  }

  /** @returns what a name of the file was imported as, or undefined where it was not imported */
  importOf(local: string): ImportedName | undefined {
    return this.specifiers().find(one => one.local === local && !one.typeOnly);
  }

  /** Whether the file imports a module as a whole, so that uses of it would be overlooked. */
  hasNamespaceOf(module: string): boolean {
    return this.importDeclarations.some(({ moduleSpecifier, importClause }) => {
      const bindings = importClause?.namedBindings;
      const isNamespace = bindings !== undefined && this.typescript.isNamespaceImport(bindings);
      return isNamespace && (moduleSpecifier as TS.StringLiteral).text === module;
    });
  }

  /** @returns the calls of a class's static methods, or of all of them */
  callsTo(name: string, module: string, methods?: readonly string[]): TS.CallExpression[] {
    const { typescript } = this;
    const local = this.localName(name, module);
    const found: TS.CallExpression[] = [];
    const visit = (node: TS.Node): void => {
      if (typescript.isCallExpression(node) && typescript.isPropertyAccessExpression(node.expression)) {
        const { expression, name: method } = node.expression;
        if (expression.getText() === local && (methods?.includes(method.text) ?? true)) found.push(node);
      }
      typescript.forEachChild(node, visit);
    };
    if (local !== undefined) visit(this.file);
    return found;
  }

  quoted(value: string): string {
    return `${this.quote}${value}${this.quote}`;
  }

  /** @returns a source of ours, with the quotes, semicolons and indentation of this file */
  inStyle(source: string): string {
    const lines = source.replaceAll("'", this.quote).split('\n');
    const styled = lines.map(line => {
      const [indent] = /^(?: {2})*/.exec(line)!;
      const text = line.slice(indent.length);
      const unit = text.startsWith(' ') ? indent : this.layout.unit.repeat(indent.length / 2);
      return unit + (this.semicolon ? text : text.replace(/;$/, ''));
    });
    return styled.join(this.newline);
  }

  /** @throws Refusal where the file has that name from elsewhere */
  import(name: string, module: string): string {
    const local = this.localName(name, module);
    if (local !== undefined) return local;
    if (this.declares(name)) throw new Refusal(`${this.path} has a ${name} of its own already.`);
    const names = this.imports.get(module) ?? [];
    this.imports.set(module, [...new Set([...names, name])]);
    return name;
  }

  /** Evaluates a module before all others. */
  importFirst(module: string): void {
    const [first] = this.file.statements;
    const start = first?.getStart(this.file) ?? 0;
    this.change(start, start, this.importLine(module) + this.newline);
  }

  /** Appends to a list, in one line where it is in one and still fits. */
  append(list: List, items: readonly Code[]): void {
    const elements: TS.NodeArray<TS.Node> = 'properties' in list ? list.properties : list.elements;
    const start = list.getStart(this.file);
    const { line } = this.file.getLineAndCharacterOfPosition(start);
    const text = list.getText(this.file);
    const last = elements.at(-1);
    if (last !== undefined && text.includes('\n')) {
      this.appendLines(last, elements.hasTrailingComma!, list, items);
      return;
    }
    if (this.hasComment(list, elements)) {
      throw new Refusal(`${this.path}, line ${line + 1}: a list with a comment in it, where something must be added.`);
    }
    const texts = elements.map(element => this.takeText(element));
    const close = this.typescript.isArrayLiteralExpression(list) ? ']' : '}';
    const code: CodeList = { open: text[0]!, items: [...texts, ...items], close };
    this.change(start, list.getEnd(), this.printed(code, start, list.getEnd()));
  }

  /** @returns the file with everything that was added */
  toString(): string {
    for (const [module, names] of [...this.imports].sort()) this.addImport(module, names);
    this.imports.clear();
    return apply(this.changes, this.text);
  }

  private get layout(): Layout {
    const indented = this.text.split(/\r?\n/).find(line => /^[ \t]+\S/.test(line) && !/^\s+\*/.test(line));
    return { unit: /^[ \t]+/.exec(indented ?? '')?.[0] ?? '  ', newline: this.newline };
  }

  private change(start: number, end: number, text: string): void {
    this.changes.push({ start, end, text });
  }

  /** Whether there is more between the elements of a list than commas and space. */
  private hasComment(list: List, elements: TS.NodeArray<TS.Node>): boolean {
    const starts = [...elements.map(element => element.getStart(this.file)), list.getEnd() - 1];
    const ends = [list.getStart(this.file) + 1, ...elements.map(element => element.getEnd())];
    return starts.some((start, index) => /[^\s,]/.test(this.text.slice(ends[index], start)));
  }

  /** @returns the text of a node with what was added within it, which is thereby done */
  private takeText(node: TS.Node): string {
    const start = node.getStart(this.file);
    const isWithin = (change: Change) => change.start >= start && change.end <= node.getEnd();
    const within = this.changes.filter(isWithin);
    this.changes = this.changes.filter(change => !isWithin(change));
    const moved = within.map(change => ({ ...change, start: change.start - start, end: change.end - start }));
    return apply(moved, node.getText(this.file));
  }

  private printed(code: CodeList, start: number, end: number): string {
    const before = this.text.slice(this.text.lastIndexOf('\n', start - 1) + 1, start);
    const after = /^[^\r\n]*/.exec(this.text.slice(end))![0];
    const flat = inline(code);
    if (before.length + flat.length + after.length <= WIDTH) return flat;
    return printLines(code, /^[ \t]*/.exec(before)![0], this.layout);
  }

  private appendLines(last: TS.Node, comma: boolean, list: List, items: readonly Code[]): void {
    const lineStart = this.text.lastIndexOf('\n', last.getStart(this.file)) + 1;
    const indent = /^[ \t]*/.exec(this.text.slice(lineStart))![0];
    const lines = items.map(item => `${indent}${print(item, indent, this.layout)}`).join(`,${this.newline}`);
    if (!comma) this.change(last.getEnd(), last.getEnd(), ',');
    // Before the line of the closing bracket, behind whatever comment follows the last element.
    const closing = list.getEnd() - 1;
    const closingLine = this.text.lastIndexOf('\n', closing) + 1;
    const ownLine = this.text.slice(closingLine, closing).trim() === '' && closingLine > last.getEnd();
    const added = `${lines}${comma || !ownLine ? ',' : ''}`;
    if (ownLine) this.change(closingLine, closingLine, added + this.newline);
    else this.change(closing, closing, `${this.newline}${added}${this.newline}`);
  }

  private addImport(module: string, names: readonly string[]): void {
    const { typescript } = this;
    const merged = this.importDeclarations.find(({ moduleSpecifier, importClause }) => {
      const isNamed = importClause?.namedBindings && typescript.isNamedImports(importClause.namedBindings);
      return isNamed && !importClause.isTypeOnly && (moduleSpecifier as TS.StringLiteral).text === module;
    });
    if (merged) return this.append(merged.importClause!.namedBindings as TS.NamedImports, names);
    const line = this.importLine(module, names);
    const imports = this.importDeclarations;
    const packages = imports.filter(one => !isRelative((one.moduleSpecifier as TS.StringLiteral).text));
    const after = (isRelative(module) ? undefined : packages.at(-1)) ?? imports.at(-1);
    const position = after?.getEnd() ?? 0;
    this.change(position, position, after ? this.newline + line : line + this.newline);
  }

  private importLine(module: string, names?: readonly string[]): string {
    const from = `${this.quoted(module)}${this.semicolon}`;
    if (names === undefined) return `import ${from}`;
    const flat = `import { ${names.join(', ')} } from ${from}`;
    if (flat.length <= WIDTH) return flat;
    const lines = names.map(name => `${this.layout.unit}${name},`);
    return ['import {', ...lines, `} from ${from}`].join(this.newline);
  }

  private specifiers(): ImportedName[] {
    const { typescript } = this;
    return this.importDeclarations.flatMap(({ moduleSpecifier, importClause }) => {
      const bindings = importClause?.namedBindings;
      if (!bindings || !typescript.isNamedImports(bindings)) return [];
      const module = (moduleSpecifier as TS.StringLiteral).text;
      return bindings.elements.map(({ name, propertyName, isTypeOnly }) => ({
        module,
        local: name.text,
        imported: propertyName?.text ?? name.text,
        typeOnly: importClause.isTypeOnly || isTypeOnly,
      }));
    });
  }

  private declares(name: string): boolean {
    const { typescript } = this;
    const classes = this.file.statements.some(one => typescript.isClassDeclaration(one) && one.name?.text === name);
    const defaults = this.importDeclarations.some(one => one.importClause?.name?.text === name);
    return classes || defaults || this.specifiers().some(({ local }) => local === name);
  }
}

function isRelative(path: string): boolean {
  return path.startsWith('.');
}

/** From the end, so that positions stay; what was added first at one position stands first. */
function apply(changes: readonly Change[], text: string): string {
  const ordered = changes.map((change, order) => ({ ...change, order }));
  ordered.sort((a, b) => b.start - a.start || b.order - a.order);
  return ordered.reduce(
    (result, { start, end, text: added }) => result.slice(0, start) + added + result.slice(end),
    text,
  );
}
