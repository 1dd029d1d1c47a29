// Strict schemas of Kubernetes' own kinds, offline: from the official client (@kubernetes/client-node), which is made of the official
// OpenAPI document and keeps of it every field's name, type, format and whether it is required. What the API server checks besides
// and the document does not carry is added below.
import {readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const SCALARS = {string: {type: 'string'}, boolean: {type: 'boolean'}, any: {}, object: {}, Date: {type: 'string', format: 'time'},
  V1MicroTime: {type: 'string', format: 'time'}, IntOrString: {anyOf: [{type: 'integer'}, {type: 'string'}]}};
const QUANTITY = {anyOf: [{type: 'string', format: 'quantity'}, {type: 'number'}]};
const PORT = {type: 'integer', minimum: 1, maximum: 65535};
const POSITIVE = {type: 'integer', minimum: 1};

// Sets of values that validation closes.
const VALUES = {
  'V1Container.imagePullPolicy': ['Always', 'IfNotPresent', 'Never'],
  'V1PodSpec.restartPolicy': ['Always', 'OnFailure', 'Never'],
  'V1ServiceSpec.type': ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'],
  'V1DeploymentStrategy.type': ['Recreate', 'RollingUpdate'],
  'V1ServicePort.protocol': ['TCP', 'UDP', 'SCTP'],
  'V1ContainerPort.protocol': ['TCP', 'UDP', 'SCTP'],
  'V1NetworkPolicyPort.protocol': ['TCP', 'UDP', 'SCTP'],
  'V2MetricSpec.type': ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'],
  'V2MetricTarget.type': ['Utilization', 'Value', 'AverageValue'],
  'V2HPAScalingPolicy.type': ['Pods', 'Percent'],
  'V1SeccompProfile.type': ['Localhost', 'RuntimeDefault', 'Unconfined'],
  'V1HTTPGetAction.scheme': ['HTTP', 'HTTPS'],
  'V1TopologySpreadConstraint.whenUnsatisfiable': ['DoNotSchedule', 'ScheduleAnyway'],
  'V1NetworkPolicySpec.policyTypes': ['Ingress', 'Egress'],
  'V1PersistentVolumeClaimSpec.accessModes': ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'],
  'V1PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy': ['AlwaysAllow', 'IfHealthyBudget'],
  'V1PodSecurityContext.fsGroupChangePolicy': ['Always', 'OnRootMismatch'],
};

function ofType(type, format) {
  const list = /^Array<(.*)>$/.exec(type);
  if (list) return {type: 'array', items: ofType(list[1], format)};
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map) return {type: 'object', additionalProperties: ofType(map[1], format)};
  if (type === 'number') return /^int(32|64)$/.test(format) ? {type: 'integer'} : {type: 'number'};
  if (format === 'int-or-string') return structuredClone(SCALARS.IntOrString);
  if (type === 'string' && format === 'byte') return {type: 'string', format: 'byte'};
  if (type === 'string' && format === 'date-time') return structuredClone(SCALARS.Date);
  return SCALARS[type] ? structuredClone(SCALARS[type]) : {$ref: `#/definitions/${type}`};
}

function narrow(definitions) {
  const property = (key) => {
    const [type, field] = key.split('.');
    const found = definitions[type]?.properties[field];
    if (!found) throw Error(`the client knows no ${key}`);
    return found;
  };
  for (const [key, values] of Object.entries(VALUES)) {
    const found = property(key);
    (found.type === 'array' ? found.items : found).enum = values;
  }
  const replace = (key, schema) => { property(key); const [type, field] = key.split('.'); definitions[type].properties[field] = schema; };
  for (const key of ['V1ContainerPort.containerPort', 'V1ServicePort.port', 'V1GRPCAction.port']) replace(key, PORT);
  for (const key of ['V1EmptyDirVolumeSource.sizeLimit', 'V2MetricTarget.averageValue', 'V2MetricTarget.value']) replace(key, QUANTITY);
  for (const key of ['limits', 'requests']) {
    for (const type of ['V1ResourceRequirements', 'V1VolumeResourceRequirements']) property(`${type}.${key}`).additionalProperties = QUANTITY;
  }
  for (const key of ['periodSeconds', 'timeoutSeconds', 'successThreshold', 'failureThreshold']) replace(`V1Probe.${key}`, POSITIVE);
}

export async function builtInSchemas(client) {
  const models = path.join(client, 'dist/gen/models');
  const classes = await import(pathToFileURL(path.join(models, 'all.js')));
  const release = /OpenAPI spec version: (\S+)/.exec(readFileSync(path.join(models, 'V1Pod.d.ts'), 'utf8'))[1];
  const definitions = {};
  for (const file of readdirSync(models).filter((name) => name.endsWith('.d.ts'))) {
    const name = file.slice(0, -5);
    const fields = classes[name]?.attributeTypeMap;
    if (!fields) continue;
    const declared = readFileSync(path.join(models, file), 'utf8');
    const required = [...declared.matchAll(/^\s+'([^']+)':/gm)].map((match) => match[1]);  // Others have a "?".
    const named = Object.fromEntries(fields.map((field) => [field.name, field.baseName]));
    definitions[name] = {type: 'object', additionalProperties: false,
      properties: Object.fromEntries(fields.map((field) => [field.baseName, ofType(field.type, field.format)])),
      ...(required.length ? {required: required.map((field) => named[field] ?? field)} : {})};
  }
  narrow(definitions);
  return {release, schema: {$id: 'kubernetes', definitions}, kinds: kindsOf(client)};
}

// "apps/v1/Deployment" -> "V1Deployment": the client's create methods know both.
function kindsOf(client) {
  const folder = path.join(client, 'dist/gen/apis');
  const kinds = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('Api.js'))) {
    const code = readFileSync(path.join(folder, file), 'utf8');
    const types = readFileSync(path.join(folder, file.replace('.js', '.d.ts')), 'utf8');
    const methods = /async (create(?:Namespaced)?)([A-Za-z0-9]+)\([^)]*\) \{[\s\S]*?const localVarPath = '([^']+)'/g;
    for (const [, verb, kind, url] of code.matchAll(methods)) {
      const parts = url.split('/').filter(Boolean);
      if (parts.includes('{name}')) continue;
      const group = parts[0] === 'api' ? parts[1] : `${parts[1]}/${parts[2]}`;
      const body = new RegExp(`${verb}${kind}\\([^)]*?body: ([A-Za-z0-9]+)`).exec(types);
      if (body && !/^(any|object)$/.test(body[1])) kinds[`${group}/${kind}`] = body[1];
    }
  }
  return kinds;
}
