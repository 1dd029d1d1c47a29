// Holds manifests against the schemas of Kubernetes and what k8s/ has to keep besides; needs no cluster and no network.
//
//   node validate.mjs MODULES FILE...     MODULES: where npm/package.json is installed. Each FILE is a whole of its own:
//                                         "FILE: object: what is wrong" a line, and 1 at the end, when anything is
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {objectChecks} from './checks.mjs';
import {operatorSchemas} from './operator_schema.mjs';
import {restrictedChecks} from './restricted.mjs';
import {builtInSchemas} from './schema.mjs';

const [modules, ...files] = process.argv.slice(2);
const require = createRequire(path.join(modules, 'package.json'));
const Ajv = require('ajv').default;
const YAML = require('yaml');
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const FORMATS = {
  byte: (text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  time: (text) => !Number.isNaN(Date.parse(text)),
  quantity: (text) => /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$/.test(text),
};

const {release, schema, kinds} = await builtInSchemas(path.join(modules, 'node_modules/@kubernetes/client-node'));
const ajv = new Ajv({strict: false, allErrors: true, formats: FORMATS});
ajv.addSchema(schema);
const compiled = new Map();

function validatorOf(kind) {
  if (!compiled.has(kind)) {
    const operator = operatorSchemas[kind];
    compiled.set(kind, operator ? ajv.compile(operator) : kinds[kind] && ajv.compile({$ref: `kubernetes#/definitions/${kinds[kind]}`}));
  }
  return compiled.get(kind);
}

function words(error) {
  const {additionalProperty, allowedValues} = error.params;
  const detail = additionalProperty ? ` '${additionalProperty}'` : allowedValues ? ` ${allowedValues}` : '';
  return `${error.instancePath || '/'} ${error.message}${detail}`;
}

function problemsOf(text) {
  const objects = [];
  const problems = [];
  // Kubernetes reads YAML 1.1: an unquoted yes is a boolean, 0440 is octal.
  for (const document of YAML.parseAllDocuments(text, {version: '1.1', uniqueKeys: true, strict: true})) {
    if (document.errors.length) {
      problems.push(...document.errors.map((error) => `YAML: ${error.message.split('\n')[0]}`));
      continue;
    }
    const object = document.toJS();
    if (object === null) continue;
    const kind = `${object.apiVersion}/${object.kind}`;
    const where = `${object.kind} ${object.metadata?.name}`;
    const say = (what) => problems.push(`${where}: ${what}`);
    const validator = validatorOf(kind);
    if (!validator) {
      say(`${kind} is not served by ${release}`);
      continue;
    }
    if (!validator(object)) validator.errors.forEach((error) => say(words(error)));
    if (!NAME.test(object.metadata?.name ?? '')) say('metadata.name is no DNS name');
    objects.push({object, say});
  }
  if (objects.length === 0 && problems.length === 0) problems.push('there is no object in it');
  objectChecks(objects);
  restrictedChecks(objects);
  return {count: objects.length, problems};
}

let failed = false;
for (const file of files) {
  const {count, problems} = problemsOf(readFileSync(file, 'utf8'));
  for (const problem of problems) console.log(`${file}: ${problem}`);
  if (problems.length) failed = true;
  else console.error(`${file}: ${count} objects, of ${release}`);
}
process.exit(failed ? 1 : 0);
