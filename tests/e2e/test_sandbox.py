#!/usr/bin/env python3
"""The unit for systemd: it is sound and closed, and fetchd works under what it takes away."""
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess

import harness
import unit_sandbox

REPOSITORY = pathlib.Path(__file__).parents[2]
PACKAGING = REPOSITORY / "packaging/systemd"
UNIT = PACKAGING / "fetchd.service"
LAUNCHER = pathlib.Path(unit_sandbox.__file__)
# Ten times what `systemd-analyze security` calls the exposure: 1.5. It stays there by the network that fetchd is for.
MOST_EXPOSED = 15
NOBODY = 65534
PYTHON = "/usr/bin/python3"  # Debian's, for which its python3-seccomp is.


class UnitTest(harness.TestCase):
    def staged_unit(self):
        """With the program that was built, in place of the one that is installed."""
        unit = self.folder / "fetchd.service"
        unit.write_text(UNIT.read_text().replace("/usr/bin/fetchd", harness.binaries["fetchd"]))
        return unit

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    def test_systemd_finds_nothing_wrong_with_it(self):
        run = self.analyze("verify", "--man=no", self.staged_unit())
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""))

        broken = self.staged_unit()
        broken.write_text(broken.read_text().replace("PrivateTmp=yes", "PrivateTemp=yes"))
        self.assertIn("PrivateTemp", self.analyze("verify", "--man=no", broken).stderr)

    def test_its_exposure_is_low(self):
        run = self.analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", UNIT)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

        open_unit = self.folder / "fetchd.service"
        open_unit.write_text(UNIT.read_text().replace("NoNewPrivileges=yes", "").replace("CapabilityBoundingSet=", ""))
        run = self.analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", open_unit)
        self.assertNotEqual(run.returncode, 0, "a unit that is open passes as well")

    def test_the_configuration_that_comes_with_it_is_sound_and_its_grace_fits(self):
        run = subprocess.run([harness.binaries["fetchd"], "--config", PACKAGING / "fetchd.yaml", "--print-config"],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        grace = re.search(r"grace: (\d+)s", run.stdout)
        self.assertIsNotNone(grace, run.stdout)
        timeout = int(unit_sandbox.settings(UNIT)["TimeoutStopSec"][-1])
        self.assertGreaterEqual(timeout, int(grace[1]) + 10, "systemd kills fetchd before it has drained")

    def test_keys_are_where_the_drop_in_says(self):
        drop_in = unit_sandbox.settings(PACKAGING / "tls.conf")
        handed_over = {value.split(":")[0] for value in drop_in["LoadCredential"]}
        variables = dict(value.split("=", 1) for value in drop_in["Environment"])
        self.assertEqual({value.removeprefix("%d/") for value in variables.values()}, handed_over)
        run = subprocess.run([harness.binaries["fetchd"], "--print-config"], capture_output=True, text=True,
                             env={**os.environ, **variables})
        for value in variables.values():
            self.assertIn(value, run.stdout, run.stderr)


class SandboxedServer(harness.Server):
    """A fetchd under the unit's filter; as root it begins as another user, without capabilities, where only its folder can be written."""

    def command(self, *more):
        if os.geteuid() != 0:
            return [PYTHON, "-B", LAUNCHER, UNIT, *super().command(*more)]
        shutil.chown(self.folder, NOBODY, NOBODY)
        folder = shlex.quote(str(self.folder))
        script = f"mount --bind {folder} {folder} && mount -o remount,bind,ro / && cd {folder} && exec \"$@\""
        return ["unshare", "--mount", "sh", "-c", script, "sh",
                PYTHON, "-B", LAUNCHER, "--as", str(NOBODY), UNIT, *super().command(*more)]


class SandboxTest(harness.TestCase):
    def start_sandboxed(self, *settings):
        folder = self.folder / "sandboxed"
        folder.mkdir()
        server = SandboxedServer(folder, *settings)
        self.addCleanup(server.kill)
        return server.start()

    def probe(self, program):
        """How Python that does `program` ends under the unit's filter."""
        return subprocess.run([PYTHON, "-B", LAUNCHER, UNIT, PYTHON, "-c", program],
                              capture_output=True, text=True, timeout=60)

    def test_it_fetches_resumes_and_drains(self):
        nginx = self.start_nginx(slow_rate="256k")
        body = harness.pattern(3_000_000)
        server = self.start_sandboxed("shutdown.grace=1s")
        for number in range(4):
            nginx.add(f"body{number}", body)
        server.submit(*(nginx.url(f"body{number}") for number in range(4)))
        self.assertEqual(server.wait_until_ended(4, seconds=60), {"SUCCEEDED": 4})
        self.assertEqual({path.read_bytes() == body for path in server.files()}, {True})
        streamed = server.ctl("get", nginx.url("body0"), "-o", self.folder / "streamed")
        self.assertEqual((self.folder / "streamed").read_bytes(), body, streamed.stderr)
        status, metrics = server.health("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("process_open_fds", metrics)

        slow = server.submit("--to", "file:slow", nginx.url("slow/body0"))
        harness.wait_for(lambda: server.counts().get("RUNNING"), "a slow transfer is under way")
        self.assertEqual(server.stop(signal.SIGTERM, seconds=30), 0, server.tail())
        server.start()
        server.wait_until_ended(5, seconds=60)

        self.assertEqual(server.job(slow[0])["state"], "SUCCEEDED")
        self.assertEqual(server.stop(signal.SIGTERM, seconds=30), 0, server.tail())

    def test_it_has_no_privileges(self):
        if os.geteuid() != 0:
            self.skipTest("who is not root cannot give privileges up, nor make the file system read-only")
        server = self.start_sandboxed()

        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()

        for line in (rf"Uid:\s+{NOBODY}\s+{NOBODY}\s", r"CapEff:\s+0+\n", r"CapBnd:\s+0+\n", r"NoNewPrivs:\s+1\n", r"Seccomp:\s+2\n"):
            self.assertRegex(status, line)
        root = next(line for line in pathlib.Path(f"/proc/{server.process.pid}/mounts").read_text().splitlines()
                    if line.split()[1] == "/")
        self.assertIn("ro", root.split()[3].split(","))

    def test_what_the_unit_denies_ends_the_program(self):
        self.assertEqual(self.probe("print('works')").stdout, "works\n")
        call = "import ctypes; libc = ctypes.CDLL(None); "
        for name, program in {
                "a socket of another family": "import socket; socket.socket(socket.AF_UNIX)",
                "memory that can be written and run": "import mmap; mmap.mmap(-1, 4096, prot=7)",
                "memory that becomes code": call + "p = libc.valloc(4096); libc.mprotect(ctypes.c_void_p(p), 4096, 5)",
                "a namespace": call + "libc.unshare(0x10000000)",
                "another user": "import os; os.setuid(os.getuid())",
                "another process's memory": call + "libc.ptrace(0, 0, 0, 0)",
                "a mount": call + "libc.mount(b'none', b'/', b'tmpfs', 0, None)"}.items():
            with self.subTest(name):
                self.assertEqual(self.probe(program).returncode, -signal.SIGSYS)


if __name__ == "__main__":
    harness.main()
