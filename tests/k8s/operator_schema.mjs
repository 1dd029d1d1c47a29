// What k8s/ uses of the Prometheus Operator's kinds, whose schemas no package has. Closed: a field that is not here is an error, and is
// added here after the operator's reference (https://prometheus-operator.dev/docs/api-reference/api/) was asked. promtool reads the rules.
const text = {type: 'string', minLength: 1};
const duration = {type: 'string', pattern: '^([0-9]+(ms|[smhdwy]))+$'};
const labels = {type: 'object', additionalProperties: {type: 'string'}};
const closed = (properties, required) => ({type: 'object', additionalProperties: false, properties, required});
const secret = closed({name: text, key: text}, ['name', 'key']);
const either = closed({secret, configMap: secret}, []);
const object = (kind, spec) => closed({apiVersion: {const: 'monitoring.coreos.com/v1'}, kind: {const: kind},
  metadata: closed({name: text, namespace: text, labels, annotations: labels}, ['name']), spec}, ['apiVersion', 'kind', 'metadata', 'spec']);

export const operatorSchemas = {
  'monitoring.coreos.com/v1/ServiceMonitor': object('ServiceMonitor', closed({
    jobLabel: text,
    selector: closed({matchLabels: labels}, ['matchLabels']),
    namespaceSelector: closed({any: {type: 'boolean'}, matchNames: {type: 'array', items: text}}, []),
    endpoints: {type: 'array', minItems: 1, items: closed({port: text, path: text, interval: duration, scrapeTimeout: duration,
      scheme: {enum: ['http', 'https']},
      tlsConfig: closed({serverName: text, ca: either, cert: either, keySecret: secret, insecureSkipVerify: {type: 'boolean'}}, [])}, ['port'])},
  }, ['selector', 'endpoints'])),
  'monitoring.coreos.com/v1/PrometheusRule': object('PrometheusRule', closed({
    groups: {type: 'array', minItems: 1, items: closed({name: text, interval: duration, rules: {type: 'array', minItems: 1,
      items: closed({alert: text, expr: text, for: duration, labels, annotations: labels}, ['alert', 'expr', 'labels', 'annotations'])}},
    ['name', 'rules'])},
  }, ['groups'])),
};
