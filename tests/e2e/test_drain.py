#!/usr/bin/env python3
"""SIGTERM in the middle of the work: it is kept, and goes on where it stopped."""
import signal
import subprocess

import harness

JOBS = 50


class DrainTest(harness.TestCase):
    def start_slow_transfers(self, *settings):
        nginx = self.start_nginx(slow_rate="256k")
        server = self.start_server("limits.per_host=64", *settings)
        body = harness.pattern(4_000_000)
        nginx.add("slow-body", body)
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": nginx.url("slow/slow-body"), "destination": f"file:drain/{i}"} for i in range(JOBS)))
        names = server.submit(options=["-i", manifest])
        harness.wait_for(lambda: int(server.json("status")[0].get("received_bytes", 0)) > JOBS * 100_000,
                         "every transfer is under way")
        return nginx, server, body, names

    def test_transfers_in_flight_are_interrupted_and_go_on_after_a_restart(self):
        nginx, server, body, names = self.start_slow_transfers("shutdown.grace=1s")
        self.assertEqual(server.counts(), {"RUNNING": JOBS})

        self.assertEqual(server.stop(signal.SIGTERM, seconds=20), 0)
        visible = [path for path in server.files() if path.parent.name == "drain" and path.name.isdigit()]
        for path in visible:
            self.assertEqual(path.read_bytes(), body)
        before_restart = len(nginx.requests())
        server.start()
        counts = server.wait_until_ended(JOBS, seconds=60)

        self.assertEqual(counts, {"SUCCEEDED": JOBS})
        for i in range(JOBS):
            self.assertEqual((server.data / f"files/drain/{i}").read_bytes(), body)
        resumed = [request for request in nginx.requests()[before_restart:] if request[1] == "206"]
        self.assertEqual(len(resumed), JOBS - len(visible))
        self.assertTrue(all(range.startswith("bytes=") for _, _, range in resumed))
        for name in names:
            self.assertEqual(server.job(name)["attempt_count"], 1, name)
        self.assertEqual(len(server.files()), JOBS, "a temporary file is left")

    def test_within_the_grace_transfers_finish(self):
        _, server, body, _ = self.start_slow_transfers("shutdown.grace=30s")

        self.assertEqual(server.stop(signal.SIGTERM, seconds=40), 0)

        self.assertEqual([path.read_bytes() == body for path in server.files()], [True] * JOBS)
        server.start()
        self.assertEqual(server.counts(), {"SUCCEEDED": JOBS})

    def test_a_draining_server_takes_no_new_jobs_and_a_second_signal_ends_it_at_once(self):
        nginx, server, _, _ = self.start_slow_transfers("shutdown.grace=60s")

        server.process.send_signal(signal.SIGTERM)
        refused = harness.wait_for(
            lambda: (run := server.ctl("submit", nginx.url("slow-body"), check=False)).returncode != 0 and run,
            "submissions are refused")
        self.assertRegex(refused.stderr.lower(), "drain|shutting|unavailable")
        server.process.send_signal(signal.SIGINT)
        try:
            self.assertEqual(server.process.wait(5), 128 + signal.SIGINT)
        except subprocess.TimeoutExpired:
            self.fail("a second signal did not end it")

    def test_a_draining_server_is_alive_but_not_ready(self):
        _, server, _, _ = self.start_slow_transfers("shutdown.grace=60s")
        self.assertEqual(server.health("/readyz"), (200, "ok"))

        server.process.send_signal(signal.SIGTERM)

        harness.wait_for(lambda: server.health("/readyz") == (503, "draining"), "it is not ready any more")
        self.assertEqual(server.health("/livez"), (200, "ok"))

    def test_the_drain_command_does_what_sigterm_does(self):
        _, server, _, _ = self.start_slow_transfers("shutdown.grace=1s")

        server.ctl("drain")

        self.assertEqual(server.process.wait(20), 0)
        server.start()
        self.assertEqual(server.wait_until_ended(JOBS, seconds=60), {"SUCCEEDED": JOBS})


if __name__ == "__main__":
    harness.main()
