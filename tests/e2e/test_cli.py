#!/usr/bin/env python3
"""fetchctl as people and scripts use it: help, outputs, exit codes."""
import json
import re
import subprocess

import harness

COMMANDS = ["get", "submit", "watch", "list", "describe", "explain", "cancel", "pause", "resume", "retry", "delete", "read",
            "check", "status", "health", "top", "origins", "drain", "log-level", "completion", "version"]
USAGE_TABLE = [
    ["no-such-command"],
    ["get"],
    ["get", "--no-such-option", "http://127.0.0.1/"],
    ["describe"],
    ["cancel"],
    ["read"],
    ["completion", "tcsh"],
    ["list", "-o", "xml"],
]


def ctl(*arguments, **options):
    return subprocess.run([harness.binaries["fetchctl"], *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)


class WithoutServerTest(harness.TestCase):
    def test_every_command_explains_itself(self):
        overview = ctl("--help")
        self.assertEqual(overview.returncode, 0)
        for command in COMMANDS:
            with self.subTest(command):
                self.assertIn(command, overview.stdout)
                run = ctl(command, "--help")
                self.assertEqual(run.returncode, 0)
                self.assertIn(command, run.stdout)

    def test_wrong_usage_ends_with_2(self):
        for arguments in USAGE_TABLE:
            with self.subTest(arguments):
                run = ctl(*arguments)
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertTrue(run.stderr)
                self.assertEqual(run.stdout, "")

    def test_a_server_that_is_not_there_ends_with_3(self):
        address = f"127.0.0.1:{harness.free_port()}"
        for arguments in (["status"], ["list"], ["submit", "http://127.0.0.1/"], ["get", "http://127.0.0.1/"]):
            with self.subTest(arguments):
                run = ctl("--server", address, *arguments)
                self.assertEqual(run.returncode, 3, run.stderr)
                self.assertIn(address, run.stderr)

    def test_version_and_completion(self):
        self.assertRegex(ctl("version").stdout, r"\d+\.\d+\.\d+")
        for shell in ("bash", "zsh", "fish"):
            run = ctl("completion", shell)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("submit", run.stdout)
        script = ctl("completion", "bash").stdout
        self.assertEqual(subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode, 0)


class CommandTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.server = self.start_server()
        self.body = harness.pattern(100_000)
        self.url = self.nginx.add("body", self.body)

    def test_get_brings_the_bytes_to_a_file_or_to_stdout(self):
        target = self.folder / "got"

        self.server.ctl("get", self.url, "-o", target)
        stdout = self.server.ctl("get", self.url, "-o", "-", text=False).stdout

        self.assertEqual(target.read_bytes(), self.body)
        self.assertEqual(stdout, self.body)

    def test_get_of_nothing_leaves_no_file(self):
        target = self.folder / "got"

        run = self.server.ctl("get", self.nginx.url("nothing"), "-o", target, check=False)

        self.assertIn(run.returncode, (1, 4))
        self.assertFalse(target.exists())

    def test_a_job_is_described_listed_read_and_deleted(self):
        name = self.server.submit(self.url, options=["--wait", "--to", "file:a/b", "--label", "team=x"])[0]

        job = self.server.job(name)
        self.assertEqual(job["state"], "SUCCEEDED")
        self.assertEqual(job["labels"], {"team": "x"})
        self.assertEqual(int(job["result"]["size_bytes"]), len(self.body))
        self.assertTrue(job["result"]["destination"].endswith("/a/b"))
        self.assertEqual([j["name"] for j in self.server.json("list")], [name])
        self.assertEqual(self.server.ctl("list", "-o", "name").stdout.split(), [name])
        self.assertIn(name.removeprefix("jobs/"), self.server.ctl("list").stdout)
        self.assertEqual(self.server.ctl("read", name, "-o", "-", text=False).stdout, self.body)
        self.server.ctl("delete", name)
        self.assertEqual(self.server.json("list"), [])
        self.assertEqual((self.server.data / "files/a/b").read_bytes(), self.body)

    def test_what_is_not_there_ends_with_4(self):
        name = "jobs/01h000000000000000000000zz"
        for command in ("describe", "cancel", "retry", "delete", "read"):
            with self.subTest(command):
                self.assertEqual(self.server.ctl(command, name, check=False).returncode, 4)

    def test_what_policy_forbids_ends_with_5(self):
        for arguments in (["submit", "http://10.0.0.1/"], ["get", "http://10.0.0.1/", "-o", "-"]):
            with self.subTest(arguments):
                self.assertEqual(self.server.ctl(*arguments, check=False).returncode, 5)

    def test_a_failed_fetch_ends_with_1_and_says_why(self):
        run = self.server.ctl("submit", "--wait", self.nginx.url("status/404"), check=False)

        self.assertEqual(run.returncode, 1)
        self.assertIn("404", run.stderr + run.stdout)

    def test_a_deadline_that_passes_ends_with_6(self):
        self.nginx.add("large", harness.pattern(4 << 20))

        run = self.server.ctl("get", "--timeout", "1s", self.nginx.url("slow/large"), "-o", "/dev/null", check=False)

        self.assertEqual(run.returncode, 6, run.stderr)

    def test_a_slow_job_can_be_cancelled_and_retried(self):
        self.nginx.add("large", harness.pattern(4 << 20))
        name = self.server.submit(self.nginx.url("slow/large"), options=["--to", "file:large"])[0]
        harness.wait_for(lambda: self.server.job(name)["state"] == "RUNNING", "the job runs")

        self.server.ctl("cancel", name)
        self.assertEqual(self.server.job(name)["state"], "CANCELLED")
        harness.wait_for(lambda: not self.server.files(), "nothing of it is left")
        self.server.ctl("retry", name)

        self.assertIn(self.server.job(name)["state"], ("QUEUED", "RUNNING"))

    def test_watch_tells_how_jobs_end(self):
        name = self.server.submit(self.url)[0]

        run = self.server.ctl("watch", name, "-o", "json")

        self.assertIn("SUCCEEDED", run.stdout)
        self.assertTrue(all(json.loads(line) for line in run.stdout.splitlines()))

    def test_output_for_scripts_is_plain(self):
        run = self.server.ctl("submit", "--wait", self.url)

        self.assertNotRegex(run.stdout + run.stderr, "\x1b|\r")

    def test_secrets_do_not_come_back(self):
        name = self.server.submit(self.url, options=["--wait", "--header", "X-Api-Key: hunter2hunter2"])[0]

        everything = json.dumps(self.server.job(name)) + self.server.ctl("describe", name).stdout
        self.assertNotIn("hunter2", everything)
        self.assertIn("[redacted]", everything)
        self.server.stop()
        for path in [self.server.log, *(p for p in self.server.data.rglob("*") if p.is_file())]:
            self.assertNotIn(b"hunter2", path.read_bytes(), path)

    def test_status_counts(self):
        self.server.submit(self.url, options=["--wait"])

        status = self.server.json("status")[0]

        self.assertEqual(int(status["jobs_by_state"]["SUCCEEDED"]), 1)
        self.assertGreaterEqual(int(status["received_bytes"]), len(self.body))
        self.assertTrue(re.search(r"\d", self.server.ctl("status").stdout))


if __name__ == "__main__":
    harness.main()
