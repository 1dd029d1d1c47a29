// The Pod Security Standard "restricted" (kubernetes.io/docs/concepts/security/pod-security-standards), control by control, of every pod.
const VOLUMES = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'];
const SYSCTLS = ['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range', 'net.ipv4.ip_local_reserved_ports', 'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes'];
const SELINUX_TYPES = [undefined, '', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];

function checkContext(context, say) {
  const {seLinuxOptions, windowsOptions, appArmorProfile} = context;
  if (windowsOptions?.hostProcess) say('hostProcess');
  if (seLinuxOptions && (seLinuxOptions.user || seLinuxOptions.role || !SELINUX_TYPES.includes(seLinuxOptions.type))) say('seLinuxOptions');
  if (appArmorProfile?.type === 'Unconfined') say('appArmorProfile Unconfined');
}

function checkContainer(container, pod, say) {
  const own = container.securityContext ?? {};
  const shared = pod.securityContext ?? {};
  if (own.privileged) say('privileged');
  if (own.allowPrivilegeEscalation !== false) say('allowPrivilegeEscalation must be false');
  if (!own.capabilities?.drop?.includes('ALL')) say('capabilities.drop must have ALL');
  if ((own.capabilities?.add ?? []).some((capability) => capability !== 'NET_BIND_SERVICE')) say('capabilities.add');
  if ((own.runAsNonRoot ?? shared.runAsNonRoot) !== true) say('runAsNonRoot must be true');
  if ((own.runAsUser ?? shared.runAsUser) === 0) say('runAsUser must not be 0');
  if (!['RuntimeDefault', 'Localhost'].includes((own.seccompProfile ?? shared.seccompProfile)?.type)) say('seccompProfile');
  if (own.procMount && own.procMount !== 'Default') say('procMount');
  if ((container.ports ?? []).some((port) => port.hostPort)) say('hostPort');
  const {livenessProbe, readinessProbe, startupProbe, lifecycle} = container;
  const hooks = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
  if (hooks.some((hook) => hook?.httpGet?.host || hook?.tcpSocket?.host)) say('a probe or hook names a host');
  checkContext(own, say);
  if (own.readOnlyRootFilesystem !== true) say('readOnlyRootFilesystem must be true (ours, not the standard\'s)');
}

function podOf({kind, spec}) {
  if (kind === 'Pod') return spec;
  return kind === 'CronJob' ? spec?.jobTemplate?.spec?.template?.spec : spec?.template?.spec;
}

export function restrictedChecks(objects) {
  for (const {object, say} of objects) {
    const pod = podOf(object);
    if (!pod?.containers) continue;
    const refuse = (what) => say(`restricted: ${what}`);
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) if (pod[key]) refuse(key);
    for (const volume of pod.volumes ?? []) {
      const type = Object.keys(volume).find((key) => key !== 'name');
      if (!VOLUMES.includes(type)) refuse(`volume ${volume.name} of type ${type}`);
    }
    for (const {name} of pod.securityContext?.sysctls ?? []) if (!SYSCTLS.includes(name)) refuse(`sysctl ${name}`);
    checkContext(pod.securityContext ?? {}, refuse);
    for (const container of [...pod.initContainers ?? [], ...pod.containers, ...pod.ephemeralContainers ?? []]) {
      checkContainer(container, pod, (what) => refuse(`${container.name}: ${what}`));
    }
  }
}
