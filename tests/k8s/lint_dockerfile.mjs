// What the engine of Docker's own editor extension says of a Dockerfile. node lint_dockerfile.mjs MODULES FILE
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const [modules, file] = process.argv.slice(2);
const {validate, ValidationSeverity} = createRequire(path.join(modules, 'package.json'))('dockerfile-utils');
const settings = {deprecatedMaintainer: ValidationSeverity.ERROR, instructionCmdMultiple: ValidationSeverity.ERROR,
  instructionEntrypointMultiple: ValidationSeverity.ERROR, instructionHealthcheckMultiple: ValidationSeverity.ERROR,
  instructionJSONInSingleQuotes: ValidationSeverity.ERROR, instructionWorkdirRelative: ValidationSeverity.ERROR};
const found = validate(readFileSync(file, 'utf8'), settings);
for (const {range, message} of found) console.log(`${range.start.line + 1}: ${message}`);
process.exit(found.length ? 1 : 0);
