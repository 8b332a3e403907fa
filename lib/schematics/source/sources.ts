import type * as TS from 'typescript';
import { posix } from 'node:path';
import type { Tools } from './application-packages.js';
import { SourceEditor } from './source-editor.js';
import { sourcesIn, type SourceTree } from './source-tree.js';

/** A declaration that an identifier refers to, and the file that has it. */
export interface Declaration {
  readonly editor: SourceEditor;
  readonly node: TS.Node;
}

/** The application's sources, each of them once. */
export class Sources {
  private readonly editors = new Map<string, SourceEditor>();

  constructor(
    private readonly tree: SourceTree,
    private readonly tools: Tools,
    sourceRoot: string,
  ) {
    for (const path of sourcesIn(tree, sourceRoot)) this.open(path);
  }

  get all(): SourceEditor[] {
    return [...this.editors.values()];
  }

  open(path: string): SourceEditor {
    const editor = this.editors.get(path) ?? new SourceEditor(this.tools, path, this.tree.readText(path));
    this.editors.set(path, editor);
    return editor;
  }

  /** @returns the file that a relative import leads to, or undefined if it is none of the application's sources */
  imported(from: SourceEditor, specifier: string): SourceEditor | undefined {
    if (!specifier.startsWith('.')) return undefined;
    const base = posix.join(posix.dirname(from.path), specifier.replace(/\.[jt]s$/, ''));
    const file = [`${base}.ts`, `${base}/index.ts`].find(path => this.tree.exists(path));
    return file === undefined ? undefined : this.open(file);
  }

  /**
   * @returns the value of a variable, the class or the function of that name, in the file or where it is imported from
   */
  declarationOf(editor: SourceEditor, name: string): Declaration | undefined {
    const { typescript } = editor;
    for (const statement of editor.file.statements) {
      const isNamed = typescript.isClassDeclaration(statement) || typescript.isFunctionDeclaration(statement);
      if (isNamed && statement.name?.text === name) return { editor, node: statement };
      if (!typescript.isVariableStatement(statement)) continue;
      const variable = statement.declarationList.declarations.find(one => one.name.getText() === name);
      if (variable?.initializer) return { editor, node: variable.initializer };
    }
    const found = editor.importOf(name);
    const file = found && this.imported(editor, found.module);
    return file && this.declarationOf(file, found!.imported);
  }
}
