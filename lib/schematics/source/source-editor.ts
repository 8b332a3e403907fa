import type * as TS from 'typescript';
import type { Tools, TypeScript } from './application-packages.js';
import { Refusal } from './refusal.js';
import { inStyle, type Style, styleOf } from './style.js';

interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface ImportedName {
  readonly local: string;
  readonly imported: string;
  readonly module: string;
  readonly typeOnly: boolean;
}

/** A list between brackets: the elements of an array, the properties of an object, the names of an import. */
export type List = TS.ArrayLiteralExpression | TS.ObjectLiteralExpression | TS.NamedImports;

/**
 * Adds to a source file by its syntax tree, and leaves everything else byte for byte. The additions follow the file's
 * quotes, semicolons, indentation and line ends; breaking long lines is left to the application's formatter.
 */
export class SourceEditor {
  readonly typescript: TypeScript;
  readonly file: TS.SourceFile;
  readonly style: Style;
  private changes: Change[] = [];
  private readonly imports = new Map<string, Set<string>>();

  constructor(
    private readonly tools: Tools,
    readonly path: string,
    private readonly text: string,
  ) {
    this.typescript = tools.typescript;
    this.file = this.typescript.createSourceFile(path, text, this.typescript.ScriptTarget.Latest, true);
    this.style = styleOf(text, this.importDeclarations[0]?.getText());
  }

  /** @returns the name by which the file knows what a module exports, or undefined where it does not import it */
  localName(name: string, module: string): string | undefined {
    return this.specifiers().find(one => one.module === module && one.imported === name && !one.typeOnly)?.local;
  }

  /** @returns what a name of the file was imported as, or undefined where it was not imported */
  importOf(local: string): ImportedName | undefined {
    return this.specifiers().find(one => one.local === local && !one.typeOnly);
  }

  /** Whether the file imports a module as a whole, which hides what it uses of it. */
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

  /** @throws Refusal where the file has that name from elsewhere */
  import(name: string, module: string): string {
    const local = this.localName(name, module);
    if (local !== undefined) return local;
    if (this.declares(name)) throw new Refusal(`${this.path} has a ${name} of its own already.`);
    this.imports.set(module, (this.imports.get(module) ?? new Set()).add(name));
    return name;
  }

  /** Evaluates a module before all others. */
  importFirst(module: string): void {
    this.insert(this.file.statements[0]?.getStart() ?? 0, `import ${this.from(module)}${this.style.newline}`);
  }

  /** Appends code in the default style to a list. */
  append(list: List, items: readonly string[]): void {
    const elements = elementsOf(list);
    const [last, comma] = [elements.at(-1), elements.hasTrailingComma ? ',' : ''];
    const line = this.text.lastIndexOf('\n', list.getEnd() - 1) + 1;
    if (last !== undefined && line > last.getEnd()) {
      const indent = this.indentAt(last.getStart());
      const lines = items.map(item => indent + inStyle(item, this.style, indent)).join(`,${this.style.newline}`);
      if (!comma) this.insert(last.getEnd(), ',');
      // Before the line of the closing bracket, and so behind a comment that follows the last element.
      return this.insert(line, lines + comma + this.style.newline);
    }
    this.refuseComments(list);
    this.insert(last?.getEnd() ?? list.getStart() + 1, (last ? ', ' : '') + inStyle(items.join(', '), this.style));
  }

  /**
   * Appends code in the default style to the lists of `@Module`, and makes the lists that are missing.
   *
   * @param metadata the decorator's argument
   */
  appendToModule(metadata: TS.ObjectLiteralExpression, lists: Readonly<Record<string, readonly string[]>>): void {
    const { newline, unit } = this.style;
    const outer = this.indentAt(metadata.getStart()) + unit;
    // The manager changes the first decorator of that name which it finds.
    const [before, after] = ['@Module(', ') class AppModule {}'];
    let code = before + this.takeText(metadata) + after;
    for (const [name, items] of Object.entries(lists).filter(([, added]) => added.length > 0)) {
      const list = this.listIn(metadata, name);
      this.refuseComments(list ?? metadata);
      const separator = `,${newline}${outer}${unit}`;
      const lines = items.map(item => inStyle(item, this.style, outer + unit));
      const isBroken = list?.elements.length ? list.getText().includes('\n') : lines.length > 1;
      const text = lines.join(isBroken ? separator : ', ');
      const block = `${separator.slice(1)}${text},${newline}${outer}`;
      const added = isBroken && !list?.elements.length ? block : text;
      code = new this.tools.MetadataManager(code).insert(name, added) ?? code;
    }
    const text = code.slice(before.length, -after.length);
    this.changes.push({ start: metadata.getStart(), end: metadata.getEnd(), text });
  }

  /** @returns the file with everything that was added */
  toString(): string {
    for (const [module, names] of [...this.imports].sort()) this.addImport(module, [...names]);
    this.imports.clear();
    return apply(this.changes, this.text);
  }

  private get importDeclarations(): TS.ImportDeclaration[] {
    return this.file.statements.filter(statement => this.typescript.isImportDeclaration(statement));
  }

  private insert(position: number, text: string): void {
    this.changes.push({ start: position, end: position, text });
  }

  private indentAt(position: number): string {
    return /^[ \t]*/.exec(this.text.slice(this.text.lastIndexOf('\n', position - 1) + 1))![0];
  }

  private listIn(literal: TS.ObjectLiteralExpression, name: string): TS.ArrayLiteralExpression | undefined {
    const { typescript } = this;
    const property = literal.properties.find(one => one.name && 'text' in one.name && one.name.text === name);
    const value = property && typescript.isPropertyAssignment(property) ? property.initializer : undefined;
    return value && typescript.isArrayLiteralExpression(value) ? value : undefined;
  }

  /** @throws Refusal where a comment would end up behind something else than what it is about */
  private refuseComments(list: List): void {
    const elements = elementsOf(list);
    const isOneLine = !list.getText().includes('\n');
    const starts = [...elements.map(element => element.getStart()), list.getEnd() - 1];
    const ends = [list.getStart() + 1, ...elements.map(element => element.getEnd())];
    const gaps = starts.map((start, index) => this.text.slice(ends[index], start));
    // In a list of several lines only the comment beside the last element is in the way.
    const inTheWay = isOneLine ? gaps : gaps.slice(-1).map(gap => gap.split('\n')[0]!);
    if (!inTheWay.some(gap => /[^\s,]/.test(gap))) return;
    const { line } = this.file.getLineAndCharacterOfPosition(list.getStart());
    throw new Refusal(`${this.path}, line ${line + 1}: a list with a comment in it, where something must be added.`);
  }

  /** @returns the text of a node with what was added within it, and marks it as done */
  private takeText(node: TS.Node): string {
    const start = node.getStart();
    const isWithin = (change: Change) => change.start >= start && change.end <= node.getEnd();
    const within = this.changes.filter(isWithin);
    this.changes = this.changes.filter(change => !isWithin(change));
    const moved = within.map(change => ({ ...change, start: change.start - start, end: change.end - start }));
    return apply(moved, node.getText());
  }

  private addImport(module: string, names: readonly string[]): void {
    const { typescript } = this;
    const merged = this.importDeclarations.find(({ moduleSpecifier, importClause }) => {
      const isNamed = importClause?.namedBindings && typescript.isNamedImports(importClause.namedBindings);
      return isNamed && !importClause.isTypeOnly && (moduleSpecifier as TS.StringLiteral).text === module;
    });
    if (merged) return this.append(merged.importClause!.namedBindings as TS.NamedImports, names);
    const { newline } = this.style;
    const line = `import { ${names.join(', ')} } from ${this.from(module)}`;
    const imports = this.importDeclarations;
    const packages = imports.filter(one => !isRelative((one.moduleSpecifier as TS.StringLiteral).text));
    const after = (isRelative(module) ? undefined : packages.at(-1)) ?? imports.at(-1);
    this.insert(after?.getEnd() ?? 0, after ? newline + line : line + newline);
  }

  private from(module: string): string {
    return inStyle(`'${module}';`, this.style);
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

function elementsOf(list: List): TS.NodeArray<TS.Node> {
  return 'properties' in list ? list.properties : list.elements;
}

function isRelative(path: string): boolean {
  return path.startsWith('.');
}

/** From the end, so that positions stay valid; of two changes at one position the earlier comes first in the text. */
function apply(changes: readonly Change[], text: string): string {
  const ordered = changes.map((change, order) => ({ ...change, order }));
  ordered.sort((a, b) => b.start - a.start || b.order - a.order);
  return ordered.reduce(
    (result, { start, end, text: added }) => result.slice(0, start) + added + result.slice(end),
    text,
  );
}
