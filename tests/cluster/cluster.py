"""A real Kubernetes of one node, in namespaces of its own: etcd, API server, controllers, scheduler, containerd, kubelet and proxy as
processes of this one, on an address that leads nowhere else. build_kubernetes.sh makes the programs."""
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "image"), str(HERE.parent / "k8s")]
import kustomize  # noqa: E402
import lab  # noqa: E402
from lab import harness  # noqa: E402

PROGRAMS = kustomize.CACHE / "kubernetes-1.20.2"
ADDRESS = "192.168.77.1"
PODS = "10.88.0.0/24"
PAUSE = "localhost/fetchd-pause:1"
# The kubelet wants these of the host: it is given files in their place.
SYSCTLS = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
           "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000}
# Where the kubelet, containerd and CNI's plugins write, whatever they are told: they get empty ones.
PLACES = ("/var/log", "/var/lib/cni", "/var/lib/kubelet", "/run/netns", "/run/containerd")
CONTAINERD = """version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
oom_score = 0
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "/usr/sbin/runc"
        SystemdCgroup = false
"""
NETWORK = {"cniVersion": "0.4.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "pods0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": True}}]}
KUBELET = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": ADDRESS, "readOnlyPort": 0,
           "failSwapOn": False, "cgroupDriver": "cgroupfs", "enforceNodeAllocatable": ["pods"], "oomScoreAdj": 0, "resolvConf": "",
           "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}}, "authorization": {"mode": "AlwaysAllow"},
           "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
           "imageGCHighThresholdPercent": 100}


def why_not():
    if not (PROGRAMS / "kube-apiserver").exists():
        return f"{PROGRAMS} has no Kubernetes: scripts/cluster-test --build makes it, in a quarter of an hour"
    if not pathlib.Path("/usr/lib/cni/bridge").exists():
        return "not installed: containernetworking-plugins"
    if shutil.which("iptables", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
        return "not installed: iptables"
    return lab.why_not() or kustomize.why_not()


class Cluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o755)
        self.processes = []
        self.cgroup = f"fetchd-cluster-{secrets.token_hex(4)}"  # /kubepods may be a kubelet's of this machine.
        self.kubeconfig = self.folder / "kubeconfig"
        self.token = secrets.token_hex(16)

    def start(self):
        subprocess.run(["sh", "-ec", f"ip link add node0 type veth peer name node0p && ip addr add {ADDRESS}/24 dev node0 && "
                        "ip link set node0 up && ip link set node0p up && ip route add default dev node0 && "
                        "echo 1 > /proc/sys/net/ipv4/ip_forward && mount --make-rshared /"], check=True)
        for place in PLACES:
            pathlib.Path(place).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place], check=True)
        self.write_files()
        self.make_cgroups()
        self.start_control_plane()
        self.start_node()
        harness.wait_for(self.is_ready, "the node is ready", 180)
        return self

    def is_ready(self):
        nodes = json.loads(self.kubectl("get", "nodes", "--output", "json", check=False).stdout or "{}").get("items", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for node in nodes for condition in node["status"]["conditions"])

    def write_files(self):
        subprocess.run(["openssl", "genrsa", "-out", self.folder / "accounts.key", "2048"], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(f"{self.token},admin,1,system:masters\n")
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://{ADDRESS}:16443", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}))
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(folder=self.folder, pause=PAUSE))
        (self.folder / "kubelet.json").write_text(json.dumps(KUBELET | {
            "cgroupRoot": f"/{self.cgroup}", "volumePluginDir": str(self.folder / "volume-plugins")}))
        (self.folder / "cni").mkdir()
        (self.folder / "cni/pods.conflist").write_text(json.dumps(NETWORK))
        for name, value in SYSCTLS.items():
            file = self.folder / name.replace("/", "_")
            file.write_text(f"{value}\n")
            subprocess.run(["mount", "--bind", file, f"/proc/sys/{name}"], check=True)

    def make_cgroups(self):
        """The kubelet wants its root to be there, in every hierarchy; in that of cpusets nothing runs before it has some."""
        root = pathlib.Path("/sys/fs/cgroup")
        for hierarchy in [root] if (root / "cgroup.procs").exists() else root.glob("*/"):
            (hierarchy / self.cgroup).mkdir(exist_ok=True)  # Some have two names.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (hierarchy / name).exists():
                    (hierarchy / self.cgroup / name).write_text((hierarchy / name).read_text())

    def run(self, program, *arguments):
        path = PROGRAMS / program
        with open(self.folder / f"{program}.log", "wb") as log:
            self.processes.append(subprocess.Popen([path, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   env={**os.environ, "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin"}))

    def start_control_plane(self):
        key = self.folder / "accounts.key"
        self.run("etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync", "--listen-client-urls", "http://127.0.0.1:12379",
                 "--advertise-client-urls", "http://127.0.0.1:12379", "--listen-peer-urls", "http://127.0.0.1:12380",
                 "--initial-advertise-peer-urls", "http://127.0.0.1:12380", "--initial-cluster", "default=http://127.0.0.1:12380")
        self.run("kube-apiserver", "--etcd-servers", "http://127.0.0.1:12379", "--bind-address", ADDRESS, "--advertise-address", ADDRESS,
                 "--secure-port", 16443, "--cert-dir", self.folder / "api", "--service-account-issuer", "https://kubernetes.default.svc",
                 "--service-account-signing-key-file", key, "--service-account-key-file", key, "--authorization-mode", "RBAC",
                 "--token-auth-file", self.folder / "tokens.csv", "--service-cluster-ip-range", "10.96.0.0/16", "--allow-privileged=false",
                 "--kubelet-preferred-address-types", "InternalIP")
        harness.wait_for(lambda: self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, "the API server is ready", 120)
        for program, more in (("kube-controller-manager", ["--service-account-private-key-file", key, "--use-service-account-credentials=false"]),
                              ("kube-scheduler", [])):
            self.run(program, "--kubeconfig", self.kubeconfig, "--leader-elect=false", "--port", 0, "--bind-address", "127.0.0.1", *more)

    def start_node(self):
        self.run("containerd", "-c", self.folder / "containerd.toml")
        harness.wait_for(lambda: self.ctr("version", check=False).returncode == 0, "containerd answers", 60)
        self.run("kubelet", "--config", self.folder / "kubelet.json", "--kubeconfig", self.kubeconfig, "--container-runtime", "remote",
                 "--container-runtime-endpoint", f"unix://{self.folder}/containerd.sock", "--node-ip", ADDRESS, "--hostname-override", "node1",
                 "--root-dir", self.folder / "kubelet", "--cert-dir", self.folder / "kubelet/pki", "--pod-infra-container-image", PAUSE)
        self.run("kube-proxy", "--kubeconfig", self.kubeconfig, "--hostname-override", "node1", "--proxy-mode", "iptables",
                 "--conntrack-max-per-core", 0, "--conntrack-tcp-timeout-established", "0s", "--conntrack-tcp-timeout-close-wait", "0s")

    def ctr(self, *arguments, check=True):
        return subprocess.run([PROGRAMS / "ctr", "-a", self.folder / "containerd.sock", "-n", "k8s.io", *map(str, arguments)],
                              capture_output=True, text=True, check=check, timeout=300)

    def kubectl(self, *arguments, check=True, input=None, timeout=180):
        run = subprocess.run([kustomize.MODULES / "bin/kubectl", "--kubeconfig", self.kubeconfig, *map(str, arguments)],
                             capture_output=True, text=True, input=input, timeout=timeout)
        if check and run.returncode != 0:
            raise AssertionError(f"kubectl {arguments} ended with {run.returncode}: {run.stdout[-1000:]} {run.stderr[-2000:]}")
        return run

    def stop(self):
        """Pods first: their cgroups and namespaces are the kernel's, and would stay. All else whatever comes of that."""
        with contextlib.ExitStack() as steps:  # Each is taken though another one fails: the last one first.
            steps.callback(shutil.rmtree, self.folder)
            steps.callback(self.unmount)
            steps.callback(lab.remove_cgroups, self.cgroup)
            steps.callback(self.kill_pods)
            steps.callback(self.end_processes)
            self.delete_namespace(check=False)

    def delete_namespace(self, check=True):
        self.kubectl("delete", "namespace", "fetchd", "--ignore-not-found", "--wait=true", check=check)

    def end_processes(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()

    def kill_pods(self):
        """Those that the kubelet did not end."""
        for group in lab.cgroups(self.cgroup):
            with contextlib.suppress(OSError):  # It ended by itself.
                for process in map(int, (group / "cgroup.procs").read_text().split()):
                    if process > 0:  # 0: one that cannot be seen from here.
                        os.kill(process, signal.SIGKILL)

    def unmount(self):
        """What containerd and the kubelet left below the folder, so that it can be removed."""
        places = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        for place in reversed(places):
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
