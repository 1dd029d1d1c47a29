#!/usr/bin/env python3
"""k8s/overlays/standalone in a real Kubernetes 1.20.2 of one node. scripts/cluster-test runs it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import cluster
import down_convert
from cluster import harness, kustomize, lab

import certificates  # noqa: E402  lab knows where it is.

BODY_BYTES = 3_000_000


class ClusterTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := cluster.why_not():
            lab.skip(reason)
        build = next(parent for parent in pathlib.Path(harness.binaries["fetchd"]).parents if (parent / "build.ninja").exists())
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="fetchd-cluster-"))
        cls.place.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.place)  # There are keys in it.
        cls.cluster = cluster.Cluster(cls.place / "kubernetes")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        cls.load_images(lab.environment(build))
        cls.nginx = harness.Nginx(cls.place / "nginx", slow_rate="256k", address=cluster.ADDRESS)
        cls.addClassCleanup(cls.nginx.stop)
        cls.body = harness.pattern(BODY_BYTES)
        cls.url = cls.nginx.add("body", cls.body).replace("/body", "/slow/body")
        cls.authority = certificates.Authority(cls.place / "tls")
        cls.identity = cls.authority.issue("caller", "DNS:caller.example")
        cls.objects = cls.converted()
        cls.apply_all()

    @classmethod
    def load_images(cls, environment):
        subprocess.run(["podman", "import", "--change", 'CMD ["/bin/sleep","infinity"]', lab.base_archive(), cluster.PAUSE],
                       env=environment, check=True, capture_output=True)
        for name in (cluster.PAUSE, lab.IMAGE):
            archive = cls.place / "image.tar"
            archive.unlink(missing_ok=True)
            subprocess.run(["podman", "save", "--format", "docker-archive", "--output", archive, name], env=environment, check=True,
                           capture_output=True)
            cls.cluster.ctr("images", "import", archive)

    @classmethod
    def converted(cls):
        rendered = cls.place / "standalone.yaml"
        text = kustomize.render(kustomize.K8S / "overlays/standalone")
        text = text.replace("registry.example.org/fetchd:0.1.0", lab.IMAGE)
        # The test's origin is in a private network; a short grace lets transfers be interrupted.
        text = text.replace("      grace: 25s",
                            f"      grace: 1s\n    egress:\n      allow: [\"{cluster.ADDRESS}/32\"]\n      ports: [{cls.nginx.port}]")
        rendered.write_text(text)
        return down_convert.convert(kustomize.objects(rendered).values())

    @classmethod
    def apply_all(cls):
        kubectl = cls.cluster.kubectl
        server = cls.authority.issue("server", "DNS:fetchd,DNS:fetchd.fetchd.svc")
        (cls.place / "callers.yaml").write_text("certificates: [{dns: caller.example, principal: caller, roles: [admin]}]\n")
        (cls.place / "keys").write_text("00" * 32 + "\n")
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "hostPath": {"path": str(cls.place / "data")}}}
        (cls.place / "data").mkdir()
        os.chown(cls.place / "data", lab.USER, lab.USER)  # hostPath knows no fsGroup.
        namespace = [entry for entry in cls.objects if entry["kind"] == "Namespace"]
        kubectl("apply", "--filename", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*namespace, volume]}))
        for name, files in {"fetchd-tls": {"tls.crt": server[0], "tls.key": server[1], "ca.crt": cls.authority.file},
                            "fetchd-callers": {"callers.yaml": cls.place / "callers.yaml"},
                            "fetchd-keys": {"keys": cls.place / "keys"}}.items():
            kubectl("create", "secret", "generic", name, "--namespace", "fetchd",
                    *(f"--from-file={key}={path}" for key, path in files.items()))
        kubectl("apply", "--filename", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": cls.objects}))
        kubectl("rollout", "status", "deployment/fetchd", "--namespace", "fetchd", "--timeout=170s")

    def pod(self):
        """The one that is not on its way out."""
        found = json.loads(self.cluster.kubectl("get", "pods", "--namespace", "fetchd", "--output", "json").stdout)["items"]
        return next((pod for pod in found if "deletionTimestamp" not in pod["metadata"]), None)

    def is_ready(self):
        pod = self.pod()
        return pod is not None and any(state["ready"] for state in pod["status"].get("containerStatuses", [])) and pod

    def ctl(self, *arguments):
        address = self.is_ready()["status"]["podIP"]
        run = subprocess.run([harness.binaries["fetchctl"], "--server", f"{address}:7070", "--server-name", "fetchd",
                              "--ca-file", self.authority.file, "--cert-file", self.identity[0], "--key-file", self.identity[1], *arguments],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]

    def submit(self, name):
        return self.ctl("submit", "-o", "json", "--to", f"file:{name}", self.url)[0]["name"]

    def ends(self, job):
        return harness.wait_for(lambda: (state := self.ctl("describe", "-o", "json", job)[0]["state"]) in harness.TERMINAL and state,
                                "the job ends", 90)

    def process(self):
        """fetchd's, on this machine."""
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            text = status.read_text()
            if text.startswith("Name:\tfetchd\n") and f"Uid:\t{lab.USER}\t" in text:
                return int(status.parent.name), text
        raise AssertionError("no process of it")

    def test_the_server_takes_every_object_and_refuses_wrong_ones(self):
        everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": self.objects})
        self.cluster.kubectl("apply", "--dry-run=server", "--filename", "-", input=everything)
        wrong = json.loads(everything)
        next(entry for entry in wrong["items"] if entry["kind"] == "Deployment")["spec"]["template"]["spec"]["volumes"] = []
        refused = self.cluster.kubectl("apply", "--dry-run=server", "--filename", "-", input=json.dumps(wrong), check=False)
        self.assertNotEqual(refused.returncode, 0)

    def test_the_pod_has_no_rights(self):
        _, status = self.process()
        for line in (rf"Gid:\s+{lab.USER}\s", r"CapEff:\s+0+\n", r"CapBnd:\s+0+\n", r"NoNewPrivs:\s+1\n", r"Seccomp:\s+2\n"):
            self.assertRegex(status, line)

    def test_an_update_keeps_the_jobs(self):
        job = self.submit("update")
        harness.wait_for(lambda: self.ctl("describe", "-o", "json", job)[0]["state"] == "RUNNING", "it runs")
        before = self.pod()["metadata"]["name"]
        self.cluster.kubectl("rollout", "restart", "deployment/fetchd", "--namespace", "fetchd")
        self.cluster.kubectl("rollout", "status", "deployment/fetchd", "--namespace", "fetchd", "--timeout=170s")

        self.assertNotEqual(self.pod()["metadata"]["name"], before)
        self.assertEqual(self.ends(job), "SUCCEEDED")
        self.assertEqual((self.place / "data/files/update").read_bytes(), self.body)

    def test_who_hangs_is_restarted_and_loses_no_job(self):
        job = self.submit("hang")
        pid, _ = self.process()
        os.kill(pid, signal.SIGSTOP)
        harness.wait_for(lambda: (pod := self.pod()) and pod["status"]["containerStatuses"][0]["restartCount"] > 0,
                         "the kubelet restarts it", 240)
        harness.wait_for(self.is_ready, "it is ready again", 120)

        self.assertEqual(self.ends(job), "SUCCEEDED")

    def test_the_budget_lets_one_go(self):
        name = self.pod()["metadata"]["name"]
        eviction = json.dumps({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": "fetchd"}})
        path = f"/api/v1/namespaces/fetchd/pods/{name}/eviction"
        self.cluster.kubectl("create", "--raw", path, "--filename", "-", input=eviction)
        harness.wait_for(lambda: (pod := self.is_ready()) and pod["metadata"]["name"] != name, "another one takes its place", 120)


if __name__ == "__main__":
    lab.enter()
    harness.main()
