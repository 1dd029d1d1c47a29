"""load.py as a process of a test: callers who go on while replicas are replaced."""
import json
import pathlib
import subprocess

import lab
from lab import harness

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # Debian's, for which its python3-grpcio is.


class Callers:
    def __init__(self, folder, target, urls, replicas, *options):
        """`urls`: of what takes some seconds, and of what ends at once."""
        self.log = pathlib.Path(folder) / "callers.log"
        url, last_url = urls
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*map(str, (PYTHON, "-B", HERE / "load.py", "--target", target, "--url", url, "--last-url", last_url,
                            "--replicas", replicas, "--proto", lab.REPOSITORY / "proto", *options))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def await_begin(self):
        self.expect("begun")

    def settle(self):
        """They submit no more."""
        self.say("settle")
        self.expect("settled", 120)

    def report(self):
        """What they met, when every job has ended."""
        self.say("report")
        line = lab.read_line(self.process, 240)
        if not line:
            raise AssertionError(f"the callers ended without a report:\n{self.log_text()}")
        return json.loads(line)

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def expect(self, word, seconds=60):
        if (line := lab.read_line(self.process, seconds)) != f"{word}\n":
            raise AssertionError(f"the callers say {line!r} and not {word}:\n{self.log_text()}")

    def log_text(self):
        return self.log.read_text()

    def stop(self):
        self.process.kill()
        self.process.communicate()


def assert_nothing_failed(test, met):
    """No call did, and every submission was accepted; the callers were not idle."""
    test.assertEqual(met["failures"], {})
    test.assertEqual(len(met["accepted"]), met["submitted"])
    test.assertGreater(met["submitted"], 100)
    test.assertGreater(met["asked"], 100)


def assert_watches_are_whole(test, met):
    """Each was cut off and went on with its token; what it saw is what is told to who asks afterwards, whoever is asked."""
    for number, watch in met["watches"].items():
        with test.subTest(f"watch {number}"):
            test.assertGreater(watch["resumed"], 0, "it was not cut off")
            for replayed in met["replayed"][number]:
                test.assertEqual(watch["events"][1:], replayed)


class RollingCase(lab.TestCase):
    """Three replicas behind a balancer, and callers."""

    REPLICAS = 3
    TARGET = "127.0.0.1:7000"

    def set_up_origin(self):
        self.nginx = self.start_nginx(slow_rate="48k")
        self.body = harness.pattern(120_000)
        self.nginx.add("body", self.body)
        self.urls = self.nginx.url("slow/body"), self.nginx.url("body")

    def start_replicas(self, make):
        """make(number) is one, not started."""
        self.replicas = [make(number).start() for number in range(1, self.REPLICAS + 1)]
        with open(self.folder / "haproxy.log", "wb") as log:
            balancer = subprocess.Popen(["haproxy", "-db", "-f", HERE / "haproxy.cfg"], stdout=log, stderr=log)
        self.addCleanup(balancer.wait)
        self.addCleanup(balancer.kill)
        harness.wait_for(lambda: harness.accepts_connections(7000), "the balancer listens")

    def start_callers(self, *options):
        callers = Callers(self.folder, self.TARGET, self.urls, self.REPLICAS, *options)
        self.addCleanup(callers.stop)
        callers.await_begin()
        return callers

    @staticmethod
    def transfers(replica):
        """How many run there."""
        return int(replica.json("status")[0].get("transfers", {}).get("in_use", 0))

    def replace_all(self):
        """One after the other, as a rolling update does."""
        for replica in self.replicas:
            harness.wait_for(lambda: self.transfers(replica) > 0, f"{replica.name} is at work", 60)
            self.assertEqual(replica.stop(), 0, replica.log_text())
            replica.start()

    def await_success(self, callers):
        """Ends submissions, and waits for the jobs."""
        callers.settle()
        for replica in self.replicas:
            counts = harness.wait_for(lambda: (now := replica.counts()) and set(now) <= harness.TERMINAL and now, "its jobs have ended", 60)
            self.assertEqual(set(counts), {"SUCCEEDED"}, replica.name)
