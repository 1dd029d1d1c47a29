// The objects of a YAML file as Kubernetes reads them, as JSON. node objects.mjs MODULES FILE
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const [modules, file] = process.argv.slice(2);
const YAML = createRequire(path.join(modules, 'package.json'))('yaml');
console.log(JSON.stringify(YAML.parseAllDocuments(readFileSync(file, 'utf8'), {version: '1.1'}).map((document) => document.toJS())));
