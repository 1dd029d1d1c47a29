#!/usr/bin/env python3
"""Everything at once: an origin behind a proxy that breaks things, and a server that is killed and stopped all the time."""
import contextlib
import re
import signal
import sqlite3
import time

import fault_proxy
import harness

JOBS = 5_000 if harness.FULL else 300
RESTARTS = 20 if harness.FULL else 4
BODIES = 200 if harness.FULL else 60
KIB = 1 << 10
# As a fetch service sees them: most are small, most bytes are in the large. (share, smallest, largest)
SIZES = ((0.6, KIB, 64 * KIB), (0.3, 64 * KIB, 1024 * KIB), (0.1, 1024 * KIB, 4096 * KIB))
ATTEMPT_LINE = re.compile(r" msg=attempt .*? received_bytes=(\d+)")


class ChaosTest(harness.TestCase):
    def size(self):
        _, low, high = self.random.choices(SIZES, [share for share, _, _ in SIZES])[0]
        return self.random.randrange(low, high)

    def ended(self, server):
        return sum(count for state, count in server.counts().items() if state in harness.TERMINAL)

    def logged(self, server, since):
        """Bytes of each attempt whose end is in the log: not of those that were recorded just before the process was killed."""
        return [int(received) for received in ATTEMPT_LINE.findall(server.log.read_text(errors="replace")[since:])]

    def recorded(self, server):
        """Bytes of each attempt whose end is in the store."""
        with contextlib.closing(sqlite3.connect(server.data / "fetchd.db")) as store:
            return [received for received, in store.execute("SELECT json_extract(record, '$.received_bytes') FROM attempts")]

    def kill(self, server):
        """Attempts under way leave no record: what they had received is what the server had, less what is recorded of this life."""
        received = int(server.json("status")[0].get("received_bytes", 0))
        server.kill()
        self.lost_bytes += max(0, received - sum(self.logged(server, self.life_began)))

    def restart_at(self, server, ended, hard):
        """Once so many jobs have ended, and a random moment later."""
        harness.wait_for(lambda: self.ended(server) >= ended, f"{ended} jobs have ended", 240)
        time.sleep(self.random.uniform(0, 0.3))  # The random moment itself.
        if hard:
            self.kill(server)
        else:
            self.assertEqual(server.stop(signal.SIGTERM), 0)
        self.life_began = len(server.log.read_text(errors="replace"))
        server.start()

    def report(self, server, proxy, total_bytes, seconds):
        attempts = self.recorded(server)
        received = sum(attempts) + self.lost_bytes
        print(f"{JOBS} jobs, {total_bytes} bytes, {RESTARTS} restarts, {seconds:.1f} s; proxy: {dict(proxy.counts)}\n"
              f"{len(attempts)} attempts are recorded, with {sum(attempts)} bytes ({100 * sum(attempts) / total_bytes - 100:+.2f} %); "
              f"with those that were killed: {received} ({100 * received / total_bytes - 100:+.2f} %)", flush=True)
        return attempts

    def test_every_job_succeeds_whatever_breaks_and_little_is_read_twice(self):
        nginx = self.start_nginx()
        proxy = fault_proxy.FaultProxy(nginx.port, harness.SEED)
        self.addCleanup(proxy.stop)
        server = self.start_server("retry.max_attempts=20", "retry.base_delay=50ms", "retry.max_delay=1s", "breaker.pause=200ms",
                                   "timeouts.read_idle=2s", "shutdown.grace=500ms")
        bodies = [harness.pattern(self.size(), i) for i in range(BODIES)]
        for i, body in enumerate(bodies):
            nginx.add(f"body{i}", body)
        digests = [harness.sha256(nginx.root / f"body{i}") for i in range(BODIES)]
        choice = [self.random.randrange(BODIES) for _ in range(JOBS)]
        total_bytes = sum(len(bodies[body]) for body in choice)
        self.lost_bytes = self.life_began = 0
        begun = time.monotonic()
        submitter = self.submit_in_background(server, [
            {"url": proxy.url(i, f"body{body}"), "destination": f"file:chaos/{i % 50}/{i}", "request_id": f"chaos-{i}"}
            for i, body in enumerate(choice)])

        hard = [i % 2 == 0 for i in range(RESTARTS)]
        self.random.shuffle(hard)
        for i in range(RESTARTS):
            self.restart_at(server, (i + 1) * JOBS // (RESTARTS + 2), hard[i])
        submitter.join(120)
        self.assertFalse(submitter.is_alive(), "not every job was accepted")
        counts = server.wait_until_ended(JOBS, seconds=600)
        seconds = time.monotonic() - begun

        self.assertEqual(counts, {"SUCCEEDED": JOBS})
        for i, body in enumerate(choice):
            self.assertEqual(harness.sha256(server.data / f"files/chaos/{i % 50}/{i}"), digests[body], i)
        self.assertEqual(len(server.files()), JOBS, "a temporary file is left")
        self.assertEqual(server.stop(), 0)
        self.assertGreater(sum(proxy.counts.values()) - proxy.counts["none"], JOBS / 20, "the proxy broke next to nothing")
        attempts = self.report(server, proxy, total_bytes, seconds)
        self.assertGreaterEqual(len(attempts), JOBS)
        self.assertLess(sum(attempts), 1.02 * total_bytes, "attempts that ended did not go on where others had stopped")


if __name__ == "__main__":
    harness.main()
