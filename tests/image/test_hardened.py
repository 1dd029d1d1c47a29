#!/usr/bin/env python3
"""The image: what is in it, and that it works with all that can be taken away from it taken away."""
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess

import lab
from lab import harness

MIB = 1 << 20
GIB = 1 << 30
MOST_BYTES = 180 * MIB
BODY_BYTES = GIB
# Programs with which whoever gets in could build others.
COMPILERS = ("cc", "gcc", "g++", "clang", "clang-19", "ld", "as", "make", "cmake", "ninja", "python3")


class ScriptTest(harness.TestCase):
    def test_scripts_image_says_what_is_wrong_before_it_builds(self):
        for arguments, said in ((["--nonsense"], "unknown option --nonsense"), (["--tag"], "--tag needs a value"),
                                (["--prebuilt", self.folder], "server/app/fetchd is not there: build it first")):
            with self.subTest(said):
                run = subprocess.run([lab.REPOSITORY / "scripts/image", *arguments], capture_output=True, text=True, timeout=60)
                self.assertEqual(run.returncode, 1, run.stdout)
                self.assertIn(said, run.stderr)


class ContentTest(lab.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(cls.podman("image", "mount", lab.IMAGE).stdout.strip())
        cls.addClassCleanup(cls.podman, "image", "unmount", lab.IMAGE)
        cls.image = json.loads(cls.podman("image", "inspect", lab.IMAGE).stdout)[0]

    def in_image(self, *command):
        return subprocess.run(["chroot", self.root, *command], capture_output=True, text=True, timeout=60)

    def test_it_says_how_it_is_run(self):
        config = self.image["Config"]
        self.assertEqual(config["User"], f"{lab.USER}:{lab.USER}")
        self.assertEqual(config["Entrypoint"], ["/usr/bin/fetchd"])
        self.assertIsNone(config.get("Cmd"))
        self.assertEqual(config["StopSignal"], "SIGTERM")
        self.assertEqual(set(config["ExposedPorts"]), {"7070/tcp", "7071/tcp"})
        self.assertEqual(set(config["Volumes"]), {"/var/lib/fetchd"})
        self.assertEqual(self.image["HealthCheck" if "HealthCheck" in self.image else "Healthcheck"]["Test"][:3],
                         ["CMD", "/usr/bin/fetchctl", "health"])
        self.assertEqual(config["Labels"]["org.opencontainers.image.title"], "fetchd")
        self.assertEqual(config["Labels"]["org.opencontainers.image.created"], "2026-01-01T00:00:00Z")
        self.assertIn("FETCHD_CONFIG=/etc/fetchd/fetchd.yaml", config["Env"])
        effective = self.in_image("/usr/bin/fetchd", "--config", "/etc/fetchd/fetchd.yaml", "--print-config")
        self.assertIn('data_dir: "/var/lib/fetchd"', effective.stdout, effective.stderr)
        version = self.in_image("/usr/bin/fetchd", "--version").stdout.split()[-1]
        self.assertEqual(config["Labels"]["org.opencontainers.image.version"], version)

    def test_it_is_small_and_brings_no_compiler(self):
        self.assertLess(self.image["Size"], MOST_BYTES)
        found = [name for name in COMPILERS for folder in ("bin", "usr/bin", "usr/local/bin") if (self.root / folder / name).exists()]
        self.assertEqual(found, [])
        self.assertEqual([str(path) for path in self.root.glob("usr/include/*.h")], [])

    def test_nothing_in_it_gives_anybody_more_rights(self):
        def privileged(root):
            return sorted(str(path) for path in root.rglob("*")
                          if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o6000)
        self.assertEqual(privileged(self.root), [])
        (self.folder / "su").touch()
        (self.folder / "su").chmod(0o4755)
        self.assertEqual(privileged(self.folder), [str(self.folder / "su")], "it would not be found")

    def test_only_its_data_belong_to_its_user(self):
        owned = sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.lstat().st_uid == lab.USER)
        self.assertEqual(owned, ["var/lib/fetchd"])

    def test_it_has_the_libraries_that_its_programs_need_and_the_dockerfile_names_them(self):
        needed = set()
        for program in ("/usr/bin/fetchd", "/usr/bin/fetchctl"):
            found = self.in_image("ldd", program).stdout
            self.assertNotIn("not found", found)
            header = subprocess.run(["readelf", "-dW", self.root / program[1:]], capture_output=True, text=True, check=True).stdout
            direct = set(re.findall(r"\(NEEDED\).*\[(.*)\]", header))
            needed |= {os.path.realpath(f"{self.root}{path}").removeprefix(str(self.root))
                       for name, path in re.findall(r"(\S+) => (/\S+)", found) if name in direct}
        names = [name for path in needed for name in (path, path.removeprefix("/usr"))]  # A package may list it as before /usr took all.
        listed = self.in_image("dpkg-query", "-S", *names).stdout
        packages = {line.split(":")[0] for line in listed.splitlines()} - {"libc6", "libgcc-s1"}  # Every Debian has these.

        text = (lab.REPOSITORY / "Dockerfile").read_text()
        installed = set(re.search(r"ca-certificates \\\n(.*?)&&", text, re.S)[1].replace("\\", " ").split())
        self.assertEqual(installed, packages)

    def test_its_bill_of_materials_is_of_its_programs(self):
        bill = json.loads((self.root / "usr/share/doc/fetchd/sbom.cdx.json").read_text())
        for component in bill["components"]:
            if component["type"] == "application":
                content = (self.root / "usr/bin" / component["name"]).read_bytes()
                self.assertEqual(component["hashes"][0]["content"], hashlib.sha256(content).hexdigest())
        shared = {component["name"] for component in bill["components"]
                  if {"name": "fetchd:from", "value": "shared library"} in component.get("properties", [])}
        listed = self.in_image("dpkg-query", "-W", "--showformat=${Package}\\n").stdout.split()
        self.assertIn("libssl3", shared)
        self.assertEqual(shared - set(listed), set())


class HardenedTest(lab.TestCase):
    def start_container(self, *settings, name="fetchd"):
        return lab.Container(self, name, 11, *settings).start()

    def big_body(self, nginx):
        """A gibibyte that takes no space: zeros, with noise in places."""
        path = nginx.root / "big"
        with open(path, "wb") as file:
            file.truncate(BODY_BYTES)
            for _ in range(64):
                file.seek(self.random.randrange(BODY_BYTES - MIB))
                file.write(self.random.randbytes(MIB))
        return nginx.url("big"), harness.sha256(path)

    def test_it_fetches_a_gibibyte_with_256_mib_and_no_rights(self):
        url, digest = self.big_body(self.start_nginx())
        server = self.start_container()
        pid = server.pid()

        server.ctl("submit", "--wait", "--sha256", digest, "--to", "file:big", url, timeout=240)

        self.assertEqual(harness.sha256(server.data / "files/big"), digest)
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        for line in (rf"Uid:\s+{lab.USER}\s+{lab.USER}\s", rf"Gid:\s+{lab.USER}\s+{lab.USER}\s", r"CapEff:\s+0+\n", r"CapBnd:\s+0+\n",
                     r"NoNewPrivs:\s+1\n", r"Seccomp:\s+2\n", r"NSpid:.*\s1\n"):
            self.assertRegex(status, line)
        self.assertEqual(pathlib.Path(f"/proc/{pid}/comm").read_text(), "fetchd\n")
        self.assertEqual(self.limit(pid, "memory.max", "memory.limit_in_bytes"), 256 * MIB)
        self.assertEqual(self.limit(pid, "pids.max"), 128)
        mounts = [line.split() for line in pathlib.Path(f"/proc/{pid}/mounts").read_text().splitlines()]
        self.assertIn("ro", next(mount[3] for mount in mounts if mount[1] == "/").split(","))
        self.assertNotIn("/tmp", [mount[1] for mount in mounts])
        self.assertNotEqual(self.podman("exec", server.name, "/usr/bin/touch", "/etc/fetchd/new", check=False).returncode, 0)
        self.assertEqual(server.stop(), 0, server.log_text())

    def test_the_probe_knows_when_it_serves_and_when_it_drains(self):
        nginx = self.start_nginx(slow_rate="32k")
        nginx.add("body", harness.pattern(4_000_000))
        server = self.start_container("shutdown.grace=60s")
        self.assertEqual(self.podman("healthcheck", "run", server.name, check=False).returncode, 0)

        server.submit("--to", "file:slow", nginx.url("slow/body"))
        harness.wait_for(lambda: server.counts().get("RUNNING"), "a transfer is under way")
        os.kill(server.pid(), signal.SIGTERM)

        harness.wait_for(lambda: self.podman("healthcheck", "run", server.name, check=False).returncode == 1, "it is not healthy any more")
        self.assertEqual(server.inspect("{{.State.Status}}"), "running")

    def test_as_process_1_it_drains_and_a_second_signal_ends_it(self):
        nginx = self.start_nginx(slow_rate="32k")
        body = harness.pattern(600_000)
        nginx.add("body", body)
        server = self.start_container("shutdown.grace=1s")
        name = server.submit("--to", "file:slow", nginx.url("slow/body"))[0]
        harness.wait_for(lambda: server.counts().get("RUNNING"), "a transfer is under way")

        self.assertEqual(server.stop(), 0, server.log_text())
        server.settings.append("shutdown.grace=60s")
        server.start()
        self.assertIn(server.job(name)["state"], ("INTERRUPTED", "RUNNING"))
        pid = server.pid()
        os.kill(pid, signal.SIGTERM)
        harness.wait_for(lambda: server.health("/readyz")[0] == 503, "it drains")
        os.kill(pid, signal.SIGINT)
        harness.wait_for(lambda: server.inspect("{{.State.Status}}") == "exited", "it ends")
        self.assertEqual(server.exit_code(), 128 + signal.SIGINT)

        server.settings.append("shutdown.grace=1s")
        server.start()
        server.wait_until_ended(1)
        self.assertEqual((server.data / "files/slow").read_bytes(), body)
        self.assertEqual(server.stop(), 0)

    def test_a_program_of_keys_leaves_no_process_behind(self):
        program = self.folder / "program"
        program.write_text(f"#!/bin/sh\nexec echo {'00' * 32}\n")
        program.chmod(0o755)
        server = lab.Container(self, "fetchd", 11, 'secrets.key_command=["/keys"]')
        server.options += ["--volume", f"{program}:/keys:ro"]

        server.start()

        # Of each thread: children, and so zombies, are listed where they were begun.
        threads = list(pathlib.Path(f"/proc/{server.pid()}/task").iterdir())
        self.assertGreater(len(threads), 1)
        self.assertEqual([(thread / "children").read_text() for thread in threads], [""] * len(threads))
        self.assertEqual(self.podman("exec", server.name, "/bin/ls", "/proc/1/exe").returncode, 0)

    def test_a_container_that_is_killed_loses_no_job(self):
        nginx = self.start_nginx(slow_rate="64k")
        body = harness.pattern(400_000)
        nginx.add("body", body)
        server = self.start_container()
        name = server.submit("--to", "file:slow", nginx.url("slow/body"))[0]
        harness.wait_for(lambda: server.counts().get("RUNNING"), "a transfer is under way")

        os.kill(server.pid(), signal.SIGKILL)  # As the kernel does when the limit on memory is not enough.
        harness.wait_for(lambda: server.inspect("{{.State.Status}}") == "exited", "it ends")
        self.assertEqual(server.exit_code(), 128 + signal.SIGKILL)
        server.start()

        server.wait_until_ended(1)
        self.assertEqual(server.job(name)["state"], "SUCCEEDED")
        self.assertEqual((server.data / "files/slow").read_bytes(), body)


if __name__ == "__main__":
    lab.main()
