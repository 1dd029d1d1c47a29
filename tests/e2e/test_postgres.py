#!/usr/bin/env python3
"""One queue on PostgreSQL: what is submitted to one fetchd is everybody's, and outlives the one that runs it."""
import signal

import harness
from postgres_server import PostgresServer

LEASE = 2


class PostgresTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.postgres = PostgresServer(self.folder / "postgres")
        self.addCleanup(self.postgres.stop)
        self.nginx = self.start_nginx(slow_rate="200k")
        self.files = self.folder / "files"
        self.files.mkdir()
        self.keys = self.folder / "keys"
        self.keys.write_text("00112233" * 8 + "\n")
        self.keys.chmod(0o600)

    def start_replica(self, *settings):
        return self.start_server(f"store.url={self.postgres.url()}", f"secrets.key_file={self.keys}", f"store.lease={LEASE}s",
                                 f"files.root={self.files}", "limits.per_host=64", *settings)

    def submit_slow(self, server, count, size=1_000_000):
        body = harness.pattern(size)
        self.nginx.add("body", body)
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": self.nginx.url("slow/body"), "destination": f"file:slow/{i}"} for i in range(count)))
        return body, server.submit(options=["-i", manifest])

    def test_a_job_of_one_is_seen_by_the_other(self):
        first, second = self.start_replica(), self.start_replica()
        self.nginx.add("body", b"hello")

        [name] = first.submit(self.nginx.url("body"), options=["--to", "file:a"])
        watched = second.ctl("watch", name)

        self.assertIn("SUCCEEDED", watched.stdout)
        self.assertEqual(second.job(name)["state"], "SUCCEEDED")
        self.assertEqual([job["name"] for job in second.json("list")], [name])
        self.assertEqual((self.files / "a").read_bytes(), b"hello")
        self.assertEqual(first.counts(), {"SUCCEEDED": 1})
        self.assertEqual(second.counts(), {"SUCCEEDED": 1})

    def test_jobs_of_one_that_is_killed_end_on_the_other(self):
        first, second = self.start_replica(), self.start_replica()
        body, names = self.submit_slow(first, 12)
        harness.wait_for(lambda: self.postgres.query("SELECT count(DISTINCT replica) FROM jobs WHERE state = 'RUNNING'") == "2"
                         or first.counts().get("RUNNING", 0) == 12, "they run")

        first.kill()
        counts = second.wait_until_ended(12, seconds=60)

        self.assertEqual(counts, {"SUCCEEDED": 12})
        for i, name in enumerate(names):
            self.assertEqual((self.files / f"slow/{i}").read_bytes(), body)
            self.assertEqual(second.job(name)["attempt_count"], 1, "a process that is lost costs no attempt")
        self.assertEqual(len([path for path in self.files.rglob("*") if path.is_file()]), 12, "a temporary file is left")

    def test_what_runs_elsewhere_is_cancelled_and_paused(self):
        first = self.start_replica()
        _, [cancelled, paused] = self.submit_slow(first, 2, size=4_000_000)
        harness.wait_for(lambda: first.counts().get("RUNNING") == 2, "both run")
        second = self.start_replica("limits.transfers=1")

        second.ctl("cancel", cancelled)
        second.ctl("pause", paused)

        self.assertEqual(first.job(cancelled)["state"], "CANCELLED")
        self.assertEqual(first.job(paused)["state"], "PAUSED")
        self.assertEqual(first.job(paused)["attempts"][-1]["outcome"], "OUTCOME_INTERRUPTED")
        harness.wait_for(lambda: int(first.json("status")[0].get("transfers", {}).get("in_use", 0)) == 0,
                         "the first one has stopped both")
        second.ctl("resume", paused)
        harness.wait_for(lambda: second.job(paused)["state"] == "SUCCEEDED", "it goes on")

    def test_a_replica_that_was_stopped_beyond_its_lease_publishes_nothing_that_it_lost(self):
        first = self.start_replica()
        body, names = self.submit_slow(first, 3, size=2_000_000)
        harness.wait_for(lambda: first.counts().get("RUNNING") == 3, "they run")
        second = self.start_replica()

        first.process.send_signal(signal.SIGSTOP)
        try:
            second.wait_until_ended(3, seconds=90)
            published = {path: path.stat().st_ino for path in self.files.rglob("*") if path.is_file()}
        finally:
            first.process.send_signal(signal.SIGCONT)

        harness.wait_for(lambda: int(first.json("status")[0].get("transfers", {}).get("in_use", 0)) == 0, "it has stopped them")
        self.assertEqual(len(published), 3)
        self.assertEqual({path: path.stat().st_ino for path in self.files.rglob("*") if path.is_file()}, published)
        for i, name in enumerate(names):
            self.assertEqual((self.files / f"slow/{i}").read_bytes(), body)
            self.assertEqual(first.job(name)["attempt_count"], 1)

    def test_all_replicas_are_shown_with_what_they_run(self):
        first, second = self.start_replica(), self.start_replica()
        self.submit_slow(first, 6)
        harness.wait_for(lambda: second.counts().get("RUNNING", 0) == 6, "they run")

        shown = second.json("status", "--fleet")
        table = second.ctl("status", "--fleet").stdout

        self.assertEqual(len(shown), 2)
        self.assertEqual(sum(int(replica["running_jobs"]) for replica in shown), 6)
        self.assertEqual([replica["is_self"] for replica in shown].count(True), 1)
        self.assertIn("lease ends in", table)
        self.assertIn(" *", table)

    def test_without_the_database_transfers_go_on_and_are_recorded_when_it_is_back(self):
        server = self.start_replica()
        body, _ = self.submit_slow(server, 3)
        harness.wait_for(lambda: server.counts().get("RUNNING") == 3, "they run")

        self.postgres.stop()
        refused = server.ctl("submit", self.nginx.url("body"), check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("job database", refused.stderr)
        requests = len(self.nginx.requests())
        self.postgres.start()

        self.assertEqual(server.wait_until_ended(3, seconds=60), {"SUCCEEDED": 3})
        for i in range(3):
            self.assertEqual((self.files / f"slow/{i}").read_bytes(), body)
        self.assertLessEqual(len(self.nginx.requests()), max(requests, 3), "none was begun again")


if __name__ == "__main__":
    harness.main()
