#!/usr/bin/env python3
"""k8s/: what kustomize makes of it follows Kubernetes' own schemas and the restricted profile, and agrees with fetchd.

Validated, not run: tests/image runs the image under the same restrictions, scripts/cluster-test a cluster.
"""
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys

import kustomize
from kustomize import K8S, REPOSITORY
from mistakes import REFUSED

sys.path.insert(0, str(REPOSITORY / "tests/e2e"))
import certificates  # noqa: E402
import harness  # noqa: E402

OVERLAYS = ("standalone", "fleet")
FROM_SECRETS = {"standalone": {}, "fleet": {"FETCHD_STORE_URL": "postgres://fetchd@postgresql:5432/fetchd"}}
MIB = 1 << 20
# What a process has besides the budgets of its configuration: code, threads, SQLite's caches, the allocator.
BASE_BYTES = 192 * MIB


def setUpModule():
    if reason := kustomize.why_not():
        print(f"SKIPPED, THE MANIFESTS ARE NOT VALIDATED: {reason}", flush=True)
        sys.exit(77)


def duration(text):
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(float(number) * seconds[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


def size(text):
    number, unit = re.fullmatch(r"([\d.]+)\s*([KMGT]i?B?|)", text).groups()
    return int(float(number) * 1024 ** "KMGT".find(unit[:1] or "?") * 1024) if unit else int(number)


def settings(text):
    """key -> value of a configuration's YAML, where it is a plain one."""
    keys, values = [], {}
    for line in text.splitlines():
        if match := re.match(r"( *)([\w.*-]+):(?: (.*))?$", re.sub(r"\s+#.*", "", line)):
            keys[len(match[1]) // 2:] = [match[2]]
            values[".".join(keys)] = (match[3] or "").strip('"')
    return values


class Case(harness.TestCase):
    def write(self, name, text):
        file = self.folder / name
        file.write_text(text)
        return file

    def objects(self, overlay):
        return kustomize.objects(self.write(f"{overlay}.yaml", kustomize.render(K8S / "overlays" / overlay)))

    def pod(self, overlay):
        return self.objects(overlay)["Deployment/fetchd"]["spec"]["template"]["spec"]

    def config_file(self, overlay):
        """The text of the ConfigMap that the pod mounts."""
        found = self.objects(overlay)
        volumes = found["Deployment/fetchd"]["spec"]["template"]["spec"]["volumes"]
        name = next(volume["configMap"]["name"] for volume in volumes if "configMap" in volume)
        return found[f"ConfigMap/{name}"]["data"]["fetchd.yaml"]

    def effective(self, overlay):
        """key -> value of what fetchd makes of it."""
        printed = self.fetchd("--config", self.write("fetchd.yaml", self.config_file(overlay)), "--print-config", variables=FROM_SECRETS[overlay])
        self.assertEqual(printed.returncode, 0, printed.stderr)
        return settings(printed.stdout)

    def said(self, overlay):
        """Of fleet what its YAML says: test_fleet.py holds that against a fetchd that reads it."""
        return self.effective(overlay) if overlay == "standalone" else settings(self.config_file(overlay))

    def fetchd(self, *arguments, variables=None):
        return subprocess.run([harness.binaries["fetchd"], *map(str, arguments)], capture_output=True, text=True, timeout=60,
                              env={"PATH": os.environ["PATH"], **(variables or {})})

    def check_configuration(self, overlay):
        """With files in place of those that the pod mounts."""
        authority = certificates.Authority(self.folder / "tls", "ca")
        certificate, key = authority.issue("server", "DNS:fetchd")
        for folder, name, text in (("callers", "callers.yaml", f"tokens: [{{sha256: {'0' * 64}, principal: ci, roles: [admin]}}]\n"),
                                   ("keys", "keys", "00" * 32 + "\n"), ("objects", "secret-access-key", "secret\n"),
                                   ("store", "password", "secret\n")):
            (self.folder / folder).mkdir()
            (self.folder / folder / name).write_text(text)
            (self.folder / folder / name).chmod(0o440)
        key.chmod(0o440)
        for mounted, file in (("tls.crt", certificate), ("tls.key", key), ("ca.crt", authority.file)):
            (self.folder / "tls" / mounted).symlink_to(file)
        text = self.config_file(overlay).replace("/etc/fetchd", str(self.folder))
        checked = self.fetchd("--config", self.write("fetchd.yaml", text), "--check-config", "--set", f"data_dir={self.folder}",
                              variables=FROM_SECRETS[overlay])
        self.assertEqual((checked.returncode, checked.stdout), (0, "configuration ok\n"), checked.stderr)
        broken = self.fetchd("--config", self.write("fetchd.yaml", text + "no_such_key: 1\n"), "--check-config")
        self.assertNotEqual(broken.returncode, 0)


class SchemaTest(Case):
    def test_every_overlay_is_valid_and_restricted(self):
        files = [self.write(f"{overlay}.yaml", kustomize.render(K8S / "overlays" / overlay)) for overlay in OVERLAYS]
        run = kustomize.node("validate.mjs", *files)
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        self.assertRegex(run.stderr, r"\b1\d objects, of v1\.\d+")

    def test_with_a_mesh_they_are_too_and_the_kubelet_speaks_grpc(self):
        with_mesh = REPOSITORY / "build" / f"mesh-{os.getpid()}"  # kustomize reads relative paths only, below one root.
        with_mesh.mkdir(parents=True)
        self.addCleanup(with_mesh.rmdir)
        file = with_mesh / "kustomization.yaml"
        self.addCleanup(file.unlink)
        file.write_text("resources: [../../k8s/overlays/standalone]\ncomponents: [../../k8s/components/mesh]\n")
        rendered = self.write("mesh.yaml", kustomize.render(with_mesh))

        run = kustomize.node("validate.mjs", rendered)

        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        found = kustomize.objects(rendered)
        opened = found["NetworkPolicy/fetchd-mesh"]["spec"]
        self.assertEqual([port["port"] for rule in opened["egress"] for port in rule["ports"]], [15012, 8080, 8086, 8090])
        self.assertTrue(all(rule["from"] for rule in opened["ingress"]) and all(rule["to"] for rule in opened["egress"]))
        container = found["Deployment/fetchd"]["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual([container[probe]["grpc"]["port"] for probe in ("startupProbe", "readinessProbe")], [7070, 7070])
        variables = {entry["name"]: entry["value"] for entry in container["env"] if entry["name"].startswith("FETCHD_")}
        config = re.sub(r"(?m)^(callers|secrets):\n  .*\n", "", self.config_file("standalone"))
        checked = self.fetchd("--config", self.write("fetchd.yaml", config), "--check-config", "--set", f"data_dir={self.folder}",
                              variables=variables)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_what_is_wrong_is_refused_with_why(self):
        files = {}
        for number, (overlay, what, old, new, _) in enumerate(REFUSED):
            rendered = kustomize.render(K8S / "overlays" / overlay)
            self.assertIn(old, rendered, what)
            files[number] = self.write(f"case{number}.yaml", rendered.replace(old, new, 1))
        run = kustomize.node("validate.mjs", *files.values())
        self.assertEqual(run.returncode, 1, run.stderr)
        for number, (_, what, _, _, said) in enumerate(REFUSED):
            with self.subTest(what):
                lines = [line for line in run.stdout.splitlines() if line.startswith(f"{files[number]}:")]
                self.assertTrue(any(said in line for line in lines), f"{said!r} is not among {lines[:5]}")

    def test_the_dockerfile_has_no_mistake(self):
        run = kustomize.node("lint_dockerfile.mjs", REPOSITORY / "Dockerfile")
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        for wrong in ("COPPY a b\n", 'CMD ["a"]\nCMD ["b"]\n', "HEALTHCHECK --interval=x CMD a\n", "EXPOSE seven\n"):
            with self.subTest(wrong):
                file = self.write("Dockerfile", (REPOSITORY / "Dockerfile").read_text() + wrong)
                self.assertEqual(kustomize.node("lint_dockerfile.mjs", file).returncode, 1)


class AgreementTest(Case):
    """The manifests and fetchd's own settings say the same."""

    def each_overlay(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                yield overlay

    def test_the_configuration_is_one_that_fetchd_takes(self):
        self.check_configuration("standalone")

    def test_what_is_mounted_is_what_the_configuration_names(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                mounts = {mount["mountPath"] for mount in self.pod(overlay)["containers"][0]["volumeMounts"]}
                named = set(re.findall(r"/(?:etc|var/lib)/fetchd[\w/.-]*", self.config_file(overlay)))
                self.assertEqual([path for path in named if not any(path == mount or path.startswith(mount + "/") for mount in mounts)], [])

    def test_kubernetes_waits_as_long_as_a_drain_takes(self):
        for overlay in self.each_overlay():
            pod = self.pod(overlay)
            container = pod["containers"][0]
            pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            grace = duration(self.said(overlay)["shutdown.grace"])
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], pause + grace + 20)
            self.assertLessEqual(container["livenessProbe"]["terminationGracePeriodSeconds"], 5, "who hangs does not drain")

    def test_the_budgets_fit_into_the_memory(self):
        for overlay in self.each_overlay():
            said = self.said(overlay)
            # Shared reads hold an eighth of the buffers besides.
            needed = (size(said["limits.buffer_bytes"]) * 9 // 8 + size(said["limits.decode_bytes"]) +
                      size(said["grpc.call_memory"]) + BASE_BYTES)
            self.assertLessEqual(needed, size(self.pod(overlay)["containers"][0]["resources"]["limits"]["memory"]))

    def test_the_ports_are_those_that_it_listens_on(self):
        for overlay in self.each_overlay():
            said = self.said(overlay)
            listening = {int(said[key].rsplit(":", 1)[1]) for key in ("grpc.listen", "admin.listen")}
            self.assertEqual({port["containerPort"] for port in self.pod(overlay)["containers"][0]["ports"]}, listening)

    def test_an_update_of_one_owner_stops_it_first_and_a_fleet_is_never_short(self):
        standalone, fleet = (self.objects(overlay)["Deployment/fetchd"]["spec"] for overlay in OVERLAYS)
        self.assertEqual((standalone["replicas"], standalone["strategy"]), (1, {"type": "Recreate"}))
        self.assertEqual(fleet["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
        self.assertTrue(any(variable["name"] == "FETCHD_STORE_URL" and "secretKeyRef" in variable["valueFrom"]
                            for variable in self.pod("fleet")["containers"][0]["env"] if "valueFrom" in variable))
        self.assertTrue(any("emptyDir" in volume for volume in self.pod("fleet")["volumes"]))


class NetworkPolicyTest(Case):
    def setUp(self):
        super().setUp()
        self.rules = self.objects("standalone")["NetworkPolicy/fetchd"]["spec"]["egress"]
        self.outside = next(rule for rule in self.rules if any("ipBlock" in peer for peer in rule["to"]))

    def passes(self, address):
        blocks = [peer["ipBlock"] for peer in self.outside["to"]]
        return any(address in ipaddress.ip_network(block["cidr"]) and
                   not any(address in ipaddress.ip_network(hole) for hole in block["except"])
                   for block in blocks if ipaddress.ip_network(block["cidr"]).version == address.version)

    def test_it_lets_pass_what_the_egress_policy_does(self):
        """But for addresses that hold another one in ways that no block can say: fetchd itself judges these. Where a network
        reaches IPv4 by NAT64, its prefix has to be added: none is let through here."""
        vectors = json.loads((REPOSITORY / "docs/egress-vectors.json").read_text())["vectors"]
        seen = set()
        for vector in vectors:
            if vector["expect"] not in ("allow", "deny") or vector["why"] == "isatap" or not vector.get("ip"):
                continue
            address = ipaddress.ip_address(vector["ip"])
            if address.version == 6 and address.ipv4_mapped:
                address = address.ipv4_mapped
            if vector["form"].startswith("nat64") and vector["expect"] == "allow":
                continue
            seen.add(vector["expect"])
            self.assertEqual(self.passes(address), vector["expect"] == "allow", vector)
        self.assertEqual(seen, {"allow", "deny"})

    def test_its_ports_are_those_of_the_egress_policy(self):
        printed = self.fetchd("--print-config").stdout
        ports = json.loads(re.search(r"^  ports: (\[.*\])", printed, re.M)[1])
        self.assertEqual(sorted(port["port"] for port in self.outside["ports"]), ports)

    def test_names_are_asked_of_the_cluster_and_of_nobody_else(self):
        others = [rule for rule in self.rules if rule is not self.outside]
        self.assertEqual(others, [{
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}])


if __name__ == "__main__":
    harness.main()
