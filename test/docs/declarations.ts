import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** What TypeScript files declare, without compiling them: the documentation is compared with it. */
export class Declarations {
  private readonly statements: readonly ts.Statement[];

  constructor(...files: string[]) {
    this.statements = files.flatMap(
      file => ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2023, true).statements,
    );
  }

  /** The names of the members of an interface, inherited ones first. */
  optionsOf(name: string): string[] {
    const { members, heritageClauses } = this.interfaceNamed(name);
    const inherited = (heritageClauses ?? []).flatMap(clause =>
      clause.types.flatMap(type => this.optionsOf(type.expression.getText())),
    );
    return [...inherited, ...members.filter(isMember).map(member => member.name.getText())];
  }

  /** Each member of a union of objects, by its `type`, with the names of its other properties. */
  unionOf(name: string): Map<string, string[]> {
    const { type } = this.aliasNamed(name);
    if (!ts.isUnionTypeNode(type)) throw new Error(`${name} is no union`);
    return new Map(
      type.types.filter(ts.isTypeLiteralNode).map(({ members }) => {
        const properties = members.filter(ts.isPropertySignature);
        const tag = properties.find(property => property.name.getText() === 'type')!.type!.getText();
        const others = properties.map(property => property.name.getText()).filter(other => other !== 'type');
        return [tag.slice(1, -1), others];
      }),
    );
  }

  /** The names of a class's public methods. */
  methodsOf(name: string): string[] {
    const isPublic = (method: ts.MethodDeclaration) =>
      !method.modifiers?.some(
        ({ kind }) => kind === ts.SyntaxKind.PrivateKeyword || kind === ts.SyntaxKind.ProtectedKeyword,
      );
    const methods = [...this.classNamed(name).members].filter(ts.isMethodDeclaration).filter(isPublic);
    return [...new Set(methods.map(method => method.name.getText()))];
  }

  /** The words of a union of string literals. */
  wordsOf(name: string): string[] {
    return [
      ...this.aliasNamed(name)
        .type.getText()
        .matchAll(/'([^']+)'/g),
    ].map(([, word]) => word!);
  }

  private classNamed(name: string): ts.ClassDeclaration {
    const found = this.statements.find(one => ts.isClassDeclaration(one) && one.name?.text === name);
    if (!found) throw new Error(`class ${name} is not declared`);
    return found as ts.ClassDeclaration;
  }

  private interfaceNamed(name: string): ts.InterfaceDeclaration {
    const found = this.statements.find(one => ts.isInterfaceDeclaration(one) && one.name.text === name);
    if (!found) throw new Error(`interface ${name} is not declared`);
    return found as ts.InterfaceDeclaration;
  }

  private aliasNamed(name: string): ts.TypeAliasDeclaration {
    const found = this.statements.find(one => ts.isTypeAliasDeclaration(one) && one.name.text === name);
    if (!found) throw new Error(`type ${name} is not declared`);
    return found as ts.TypeAliasDeclaration;
  }
}

function isMember(member: ts.TypeElement): member is ts.PropertySignature | ts.MethodSignature {
  return ts.isPropertySignature(member) || ts.isMethodSignature(member);
}
