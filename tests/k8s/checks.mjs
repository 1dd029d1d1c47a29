// What objects say of one another: names that must be somewhere, numbers that must fit.
const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet'];
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'];
const HANDLERS = ['exec', 'httpGet', 'grpc', 'tcpSocket'];

const matches = (selector, labels) => Object.keys(selector ?? {}).length > 0 &&
  Object.entries(selector).every(([key, value]) => labels?.[key] === value);
const podLabels = ({object}) => object.spec?.template?.metadata?.labels;
const containersOf = (pod) => [...pod?.initContainers ?? [], ...pod?.containers ?? []];
const has = (objects, kind, name) => objects.some(({object}) => object.kind === kind && object.metadata?.name === name);

function selectedBy(selector, workloads) {
  return workloads.filter((workload) => matches(selector, podLabels(workload)));
}

function portNames(workloads) {
  const containers = workloads.flatMap(({object}) => containersOf(object.spec.template.spec));
  return new Set(containers.flatMap((container) => container.ports ?? []).map((port) => port.name));
}

function checkProbes(container, say) {
  const ports = new Set((container.ports ?? []).map((port) => port.name));
  for (const kind of PROBES) {
    const probe = container[kind];
    if (!probe) {
      say(`${container.name} has no ${kind}`);
      continue;
    }
    const handlers = HANDLERS.filter((handler) => probe[handler]);
    if (handlers.length !== 1) say(`${container.name}.${kind} needs one handler and has ${handlers.length}`);
    const port = probe.httpGet?.port ?? probe.tcpSocket?.port;
    if (typeof port === 'string' && !ports.has(port)) say(`${container.name}.${kind} names port ${port}, which is none`);
    if (kind !== 'readinessProbe' && (probe.successThreshold ?? 1) !== 1) say(`${container.name}.${kind}.successThreshold must be 1`);
    if ((probe.timeoutSeconds ?? 1) < 2 && probe.exec) say(`${container.name}.${kind} gives a program less than 2 s`);
  }
}

function checkVolumes(pod, container, objects, say) {
  const volumes = pod.volumes ?? [];
  const mounts = container.volumeMounts ?? [];
  if (new Set(mounts.map((mount) => mount.mountPath)).size !== mounts.length) say(`${container.name} mounts one path twice`);
  for (const {name} of mounts) {
    if (!volumes.some((volume) => volume.name === name)) say(`${container.name} mounts volume ${name}, which is none`);
  }
  for (const {configMap, persistentVolumeClaim} of volumes) {
    if (configMap && !has(objects, 'ConfigMap', configMap.name)) say(`ConfigMap ${configMap.name} is not there`);
    const claim = persistentVolumeClaim?.claimName;
    if (claim && !has(objects, 'PersistentVolumeClaim', claim)) say(`PersistentVolumeClaim ${claim} is not there`);
  }
}

function checkContainer(container, pod, objects, say) {
  checkProbes(container, say);
  checkVolumes(pod, container, objects, say);
  const {requests, limits} = container.resources ?? {};
  if (!requests?.cpu || !requests?.memory || !limits?.memory) {
    say(`${container.name} needs requests of cpu and memory, and a limit of memory`);
  }
  if (requests?.memory !== limits?.memory) say(`${container.name}: what it may use of memory is not what is kept for it`);
  const pause = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
  if (pause >= (pod.terminationGracePeriodSeconds ?? 30)) {
    say(`${container.name}.lifecycle.preStop takes all of terminationGracePeriodSeconds`);
  }
}

function checkWorkload(workload, objects) {
  const {object, say} = workload;
  const pod = object.spec?.template?.spec ?? {};
  if (!matches(object.spec?.selector?.matchLabels, podLabels(workload))) say('its selector does not match its own pods');
  const account = pod.serviceAccountName;
  if (account && !has(objects, 'ServiceAccount', account)) say(`ServiceAccount ${account} is not there`);
  if (pod.automountServiceAccountToken !== false) say('its pods get a token of the API server');
  if (pod.enableServiceLinks !== false) say('variables of services are in its pods, and may be taken for settings');
  for (const container of containersOf(pod)) checkContainer(container, pod, objects, say);
  const claims = (pod.volumes ?? []).some((volume) => volume.persistentVolumeClaim);
  if (object.kind === 'Deployment' && claims && (object.spec.strategy?.type !== 'Recreate' || object.spec.replicas !== 1)) {
    say('a claim is one pod\'s: replicas must be 1 and strategy Recreate');
  }
}

function checkService({object, say}, workloads) {
  const selected = selectedBy(object.spec?.selector, workloads);
  if (selected.length === 0) say('its selector matches no pod');
  const ports = portNames(selected);
  for (const {targetPort} of object.spec?.ports ?? []) {
    if (typeof targetPort === 'string' && !ports.has(targetPort)) say(`targetPort ${targetPort} is no port of its pods`);
  }
}

function checkPolicy({object, say}, workloads) {
  const selected = selectedBy(object.spec?.podSelector?.matchLabels, workloads);
  if (selected.length === 0) say('its podSelector matches no pod');
  const ports = portNames(selected);
  for (const {port} of (object.spec?.ingress ?? []).flatMap((rule) => rule.ports ?? [])) {
    if (typeof port === 'string' && !ports.has(port)) say(`port ${port} is no port of its pods`);
  }
}

function checkAutoscaler({object, say}, objects) {
  const {apiVersion, kind, name} = object.spec?.scaleTargetRef ?? {};
  const target = objects.find(({object: other}) => other.kind === kind && other.apiVersion === apiVersion && other.metadata?.name === name);
  if (!target) say('scaleTargetRef names nothing that is there');
  else if (target.object.spec.replicas !== undefined) say('its target says replicas as well: every apply would undo what it did');
  if ((object.spec?.minReplicas ?? 1) > object.spec?.maxReplicas) say('minReplicas > maxReplicas');
}

function checkMonitor({object, say}, services) {
  const selected = services.filter((service) => matches(object.spec?.selector?.matchLabels, service.object.metadata?.labels));
  if (selected.length === 0) say('its selector matches no Service');
  const ports = new Set(selected.flatMap((service) => service.object.spec.ports).map((port) => port.name));
  for (const {port} of object.spec?.endpoints ?? []) if (!ports.has(port)) say(`no Service has its port ${port}`);
}

function checkBudget({object, say}, workloads) {
  if (selectedBy(object.spec?.selector?.matchLabels, workloads).length === 0) say('its selector matches no pod');
}

export function objectChecks(objects) {
  const ofKind = (...kinds) => objects.filter(({object}) => kinds.includes(object.kind));
  const workloads = ofKind(...WORKLOADS);
  for (const workload of workloads) checkWorkload(workload, objects);
  for (const service of ofKind('Service')) checkService(service, workloads);
  for (const policy of ofKind('NetworkPolicy')) checkPolicy(policy, workloads);
  for (const autoscaler of ofKind('HorizontalPodAutoscaler')) checkAutoscaler(autoscaler, objects);
  for (const monitor of ofKind('ServiceMonitor')) checkMonitor(monitor, ofKind('Service'));
  for (const budget of ofKind('PodDisruptionBudget')) checkBudget(budget, workloads);
  const namespaces = new Set(objects.filter(({object}) => object.kind !== 'Namespace').map(({object}) => object.metadata?.namespace));
  if (namespaces.size > 1) objects[0].say(`objects are in several namespaces: ${[...namespaces].join(', ')}`);
}
