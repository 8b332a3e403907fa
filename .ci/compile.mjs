// Compiles an application strictly, and checks the declarations of the packed package with it. Those of other packages,
// which `skipLibCheck: false` would add, are not ours to check, and take longer than all the rest.
import { dirname, resolve } from 'node:path';
import ts from 'typescript';

const project = resolve(process.argv[2]);
const { config } = ts.readConfigFile(project, ts.sys.readFile);
const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(project), undefined, project);
const program = ts.createProgram(fileNames, options);
const isOurs = ({ fileName }) => /^(?!.*\/node_modules\/)|\/node_modules\/nestjs-jwt-session\//.test(fileName);
const diagnostics = [
  ...program.getOptionsDiagnostics(),
  ...program.getSyntacticDiagnostics(),
  ...program
    .getSourceFiles()
    .filter(isOurs)
    .flatMap(file => program.getSemanticDiagnostics(file)),
  ...fileNames.flatMap(name => program.emit(program.getSourceFile(name)).diagnostics),
];
if (diagnostics.length > 0) {
  console.error(ts.formatDiagnostics(diagnostics, ts.createCompilerHost(options)));
  process.exitCode = 1;
}
