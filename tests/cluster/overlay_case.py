"""Overlays of k8s/ in a real Kubernetes 1.20.2 of one node: the cluster is one for all tests of a run, an installation one for all tests
of a class."""
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile

import cluster
import down_convert
from cluster import harness, kustomize, lab

import certificates  # noqa: E402  lab knows where it is.


class Site:
    """The cluster, with the images in it, and who may call."""

    def __init__(self):
        self.ends = contextlib.ExitStack()
        try:
            self.start()
        except BaseException:
            self.ends.close()
            raise

    def start(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="fetchd-cluster-"))
        self.place.chmod(0o755)
        self.ends.callback(shutil.rmtree, self.place)  # There are keys in it.
        self.cluster = cluster.Cluster(self.place / "kubernetes")
        self.ends.callback(self.cluster.stop)
        self.cluster.start()
        self.load_images(lab.environment(lab.build_of(harness.binaries["fetchd"])))
        self.authority = certificates.Authority(self.place / "tls")
        self.identity = self.authority.issue("caller", "DNS:caller.example")

    def load_images(self, environment):
        subprocess.run(["podman", "import", "--change", 'CMD ["/bin/sleep","infinity"]', lab.base_archive(), cluster.PAUSE],
                       env=environment, check=True, capture_output=True)
        for name in (cluster.PAUSE, lab.IMAGE):
            archive = self.place / "image.tar"
            archive.unlink(missing_ok=True)
            subprocess.run(["podman", "save", "--format", "docker-archive", "--output", archive, name], env=environment, check=True,
                           capture_output=True)
            self.cluster.ctr("images", "import", archive)


class OverlayCase(harness.TestCase):
    site = None  # Of the module.
    overlay = None
    replicas = 1
    slow_rate = "256k"

    @classmethod
    def setUpClass(cls):
        cls.cluster, cls.authority, cls.identity = cls.site.cluster, cls.site.authority, cls.site.identity
        cls.place = cls.site.place / cls.overlay
        cls.place.mkdir()
        cls.nginx = harness.Nginx(cls.place / "nginx", slow_rate=cls.slow_rate, address=cluster.ADDRESS)
        cls.addClassCleanup(cls.nginx.stop)
        cls.start_neighbours()
        cls.objects = cls.converted()
        cls.addClassCleanup(cls.cluster.delete_namespace)
        cls.apply_all()

    @classmethod
    def start_neighbours(cls):
        """What the installation needs outside of it."""

    @classmethod
    def settings(cls):
        """What the test puts in place of what the overlay's configuration says."""
        # The test's origin is in a private network; a short grace lets transfers be interrupted.
        return {"      grace: 25s": f"      grace: 1s\n    egress:\n      allow: [\"{cluster.ADDRESS}/32\"]\n      ports: [{cls.nginx.port}]"}

    @classmethod
    def secrets(cls):
        """Files by key, by the secret's name."""
        server = cls.authority.issue("server", "DNS:fetchd,DNS:fetchd.fetchd.svc,DNS:fetchd-headless.fetchd.svc")
        return {"fetchd-tls": {"tls.crt": server[0], "tls.key": server[1], "ca.crt": cls.authority.file},
                "fetchd-callers": {"callers.yaml": cls.file(
                    "callers.yaml", "certificates: [{dns: caller.example, principal: caller, roles: [admin]}]\n")},
                "fetchd-keys": {"keys": cls.file("keys", secrets.token_hex(32) + "\n")}}

    @classmethod
    def before_the_overlay(cls):
        """Objects that it needs and does not have."""
        return []

    @classmethod
    def file(cls, name, text):
        path = cls.place / name
        path.write_text(text)
        return path

    @classmethod
    def converted(cls):
        text = kustomize.render(kustomize.K8S / "overlays" / cls.overlay)
        for old, new in {"registry.example.org/fetchd:0.1.0": lab.IMAGE, **cls.settings()}.items():
            if old not in text:
                raise AssertionError(f"{cls.overlay} does not say {old!r}")
            text = text.replace(old, new)
        return down_convert.convert(kustomize.objects(cls.file("overlay.yaml", text)).values(), cls.replicas)

    @classmethod
    def apply(cls, objects, *options, check=True):
        return cls.cluster.kubectl("apply", *options, "--filename", "-", check=check,
                                   input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    @classmethod
    def apply_all(cls):
        cls.apply([*(entry for entry in cls.objects if entry["kind"] == "Namespace"), *cls.before_the_overlay()])
        for name, files in cls.secrets().items():
            cls.cluster.kubectl("create", "secret", "generic", name, "--namespace", "fetchd",
                                *(f"--from-file={key}={path}" for key, path in files.items()))
        cls.apply(cls.objects)
        cls.await_rollout()

    @classmethod
    def await_rollout(cls):
        cls.cluster.kubectl("rollout", "status", "deployment/fetchd", "--namespace", "fetchd", "--timeout=400s", timeout=420)

    def roll(self):
        """As an update does."""
        before = {pod["metadata"]["name"] for pod in self.pods()}
        self.cluster.kubectl("rollout", "restart", "deployment/fetchd", "--namespace", "fetchd")
        self.await_rollout()
        self.assertEqual(before & {pod["metadata"]["name"] for pod in self.pods()}, set())

    def pods(self):
        """Those that are not on their way out."""
        found = json.loads(self.cluster.kubectl("get", "pods", "--namespace", "fetchd", "--output", "json").stdout)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self):
        return [pod for pod in self.pods() if any(state["ready"] for state in pod["status"].get("containerStatuses", []))]

    def evict(self, name, check=True):
        eviction = json.dumps({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": "fetchd"}})
        return self.cluster.kubectl("create", "--raw", f"/api/v1/namespaces/fetchd/pods/{name}/eviction", "--filename", "-",
                                    input=eviction, check=check)

    def ctl(self, *arguments, pod=None):
        """Asks one of the replicas; what it prints as JSON."""
        pod = pod or self.ready_pods()[0]
        run = subprocess.run([harness.binaries["fetchctl"], "--server", f"{pod['status']['podIP']}:7070", "--server-name", "fetchd",
                              "--ca-file", self.authority.file, "--cert-file", self.identity[0], "--key-file", self.identity[1], *arguments],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]

    def submit(self, destination, url, pod=None):
        return self.ctl("submit", "-o", "json", "--to", destination, url, pod=pod)[0]["name"]

    def state(self, job, pod=None):
        return self.ctl("describe", "-o", "json", job, pod=pod)[0]["state"]

    def runs(self, job):
        harness.wait_for(lambda: self.state(job) == "RUNNING", "it runs", 60)

    def ends(self, job, seconds=90):
        return harness.wait_for(lambda: (state := self.state(job)) in harness.TERMINAL and state, "the job ends", seconds)

    @staticmethod
    def processes():
        """Those of fetchd in pods, on this machine: what /proc says of each, by id."""
        found = {}
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
                text = status.read_text()
                if text.startswith("Name:\tfetchd\n") and f"Uid:\t{lab.USER}\t" in text:
                    found[int(status.parent.name)] = text
        return found
