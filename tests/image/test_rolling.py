#!/usr/bin/env python3
"""Three replicas behind a balancer are replaced one after the other while callers go on: a simulation of a rolling update with real
containers. Each replica has a store of its own, which it finds again: that is a fleet of `standalone`s."""
import json
import pathlib
import subprocess

import lab
from lab import harness

HERE = pathlib.Path(__file__).parent
TARGET = "127.0.0.1:7000"
REPLICAS = 3
PYTHON = "/usr/bin/python3"  # Debian's, for which its python3-grpcio is.


class RollingTest(lab.TestCase):
    def setUp(self):
        super().setUp()
        nginx = self.start_nginx(slow_rate="48k")
        self.body = harness.pattern(120_000)
        nginx.add("body", self.body)
        self.url, self.last_url = nginx.url("slow/body"), nginx.url("body")
        self.replicas = [lab.Container(self, f"replica{number}", 20 + number, "shutdown.grace=1s", "limits.per_host=64").start()
                         for number in range(1, REPLICAS + 1)]
        self.start(["haproxy", "-db", "-f", HERE / "haproxy.cfg"])
        harness.wait_for(lambda: harness.accepts_connections(7000), "the balancer listens")

    def start(self, command, **options):
        with open(self.folder / f"{pathlib.Path(command[0]).name}.log", "wb") as log:
            process = subprocess.Popen([*map(str, command)], stderr=log, text=True, **{"stdout": log, **options})
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def start_load(self):
        load = self.start([PYTHON, "-B", HERE / "load.py", "--target", TARGET, "--url", self.url, "--last-url", self.last_url,
                           "--replicas", REPLICAS, "--proto", lab.REPOSITORY / "proto"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(lab.read_line(load), "begun\n", self.log_of_load())
        return load

    def log_of_load(self):
        return (self.folder / "python3.log").read_text()

    def outcome(self, load):
        """Ends submissions, waits for the jobs, and asks the callers what they met."""
        load.stdin.write("settle\n")
        load.stdin.flush()
        self.assertEqual(lab.read_line(load, 120), "settled\n", self.log_of_load())
        for replica in self.replicas:
            counts = harness.wait_for(lambda: (now := replica.counts()) and set(now) <= harness.TERMINAL and now, "its jobs have ended", 60)
            self.assertEqual(set(counts), {"SUCCEEDED"}, replica.name)
        load.stdin.write("report\n")
        load.stdin.flush()
        line = lab.read_line(load, 240)
        self.assertTrue(line, self.log_of_load())
        return json.loads(line)

    def has_bytes(self, identity):
        return any((path := replica.data / "files" / identity).exists() and path.read_bytes() == self.body for replica in self.replicas)

    def test_an_update_loses_no_job_fails_no_call_and_leaves_watches_whole(self):
        load = self.start_load()
        for replica in self.replicas:
            harness.wait_for(lambda: replica.counts().get("RUNNING", 0) > 3, f"{replica.name} is at work")
            self.assertEqual(replica.stop(), 0, replica.log_text())
            replica.start()
        met = self.outcome(load)

        self.assertEqual(met["failures"], {})
        self.assertEqual(len(met["accepted"]), met["submitted"])
        self.assertGreater(met["submitted"], 100)
        self.assertGreater(met["asked"], 100)
        self.assertEqual([identity for identity in met["accepted"] if not self.has_bytes(identity)], [])
        for number, watch in met["watches"].items():
            with self.subTest(f"the watch of replica {number}"):
                self.assertGreater(watch["resumed"], 0, "it was not cut off")
                self.assertEqual(watch["events"][1:], met["replayed"][number])

    def test_callers_notice_when_all_replicas_are_gone_and_no_job_is_lost(self):
        """The test above could fail."""
        load = self.start_load()
        harness.wait_for(lambda: self.replicas[0].counts().get("RUNNING", 0) > 3, "it is at work")
        for replica in self.replicas:
            self.podman("kill", "--signal", "KILL", replica.name)
        harness.wait_for(lambda: "CreateJob UNAVAILABLE" in self.log_of_load() and "GetStatus UNAVAILABLE" in self.log_of_load(),
                         "calls fail")
        for replica in self.replicas:
            replica.start()
        met = self.outcome(load)

        self.assertEqual([identity for identity in met["accepted"] if not self.has_bytes(identity)], [])


if __name__ == "__main__":
    lab.main()
