#!/usr/bin/env python3
"""Three fetchd on one PostgreSQL: what limits an origin or a tenant holds for all of them together."""
import threading
import time

import harness
from body_origin import Origin
from postgres_server import PostgresServer

REPLICAS = 3
PER_HOST = 8
RETRY_AFTER = 5


class CountingOrigin(Origin):
    """Answers each request after `seconds`, and knows how many it had at once. (Of a connection that is closed it would hear
    later than those who close it.)"""

    def __init__(self, seconds):
        self.seconds = seconds
        self.requests = self.answered = self.most_requests = 0
        self.refuses_at = None  # The number of the answer that is 429 with Retry-After.
        self.refused_at = None
        self.arrivals = []
        super().__init__(b"body")

    def answer(self, request):
        with self.lock:
            self.requests += 1
            self.most_requests = max(self.most_requests, self.requests)
            self.arrivals.append(time.monotonic())
        time.sleep(self.seconds)  # This is the origin's speed; nobody waits for it.
        with self.lock:
            self.requests -= 1
            self.answered += 1
            refused = self.answered == self.refuses_at
            if refused:
                self.refused_at = time.monotonic()
        request.send_response(429 if refused else 200)
        if refused:
            request.send_header("Retry-After", str(RETRY_AFTER))
        request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body)


class FleetTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.postgres = PostgresServer(self.folder / "postgres")
        self.addCleanup(self.postgres.stop)
        self.keys = self.folder / "keys"
        self.keys.write_text("00112233" * 8 + "\n")
        self.keys.chmod(0o600)

    def start_origin(self, seconds=0.02):
        origin = CountingOrigin(seconds)
        self.addCleanup(origin.stop)
        return origin

    def start_replica(self, *settings):
        return self.start_server(f"store.url={self.postgres.url()}", f"secrets.key_file={self.keys}", "store.lease=10s",
                                 f"limits.per_host={PER_HOST}", *settings)

    def submit(self, server, url, count):
        manifest = harness.write_manifest(self.folder / f"manifest{count}", (
            {"url": f"{url}?{i}", "destination": "discard:"} for i in range(count)))
        return server.submit(options=["-i", manifest])

    def ran_on(self, count):
        """How many processes have jobs at work."""
        return int(self.postgres.query("SELECT count(DISTINCT replica) FROM jobs WHERE state = 'RUNNING'")) >= count

    def test_a_limit_of_a_host_holds_for_all_of_them_and_is_used(self):
        origin = self.start_origin()
        replicas = [self.start_replica() for _ in range(REPLICAS)]

        self.submit(replicas[0], origin.url(), 1500)
        harness.wait_for(lambda: self.ran_on(REPLICAS), "all have jobs at work")
        counts = replicas[0].wait_until_ended(1500)

        self.assertEqual(counts, {"SUCCEEDED": 1500})
        self.assertLessEqual(origin.most_requests, PER_HOST)
        self.assertGreater(origin.most_requests, PER_HOST // 2)

    def test_what_one_that_is_killed_had_is_used_by_the_others_after_its_lease(self):
        origin = self.start_origin(0.1)
        first, second = self.start_replica("store.lease=2s"), self.start_replica("store.lease=2s")
        self.submit(first, origin.url(), 400)
        harness.wait_for(lambda: self.ran_on(2), "both have jobs at work")

        first.kill()
        with origin.lock:
            origin.most_requests = 0
        counts = second.wait_until_ended(400)

        self.assertEqual(counts, {"SUCCEEDED": 400})
        self.assertEqual(origin.most_requests, PER_HOST)

    def test_calls_of_fetch_and_jobs_share_it(self):
        origin = self.start_origin(0.2)
        replicas = [self.start_replica() for _ in range(REPLICAS)]
        self.submit(replicas[0], origin.url(), 300)
        harness.wait_for(lambda: self.ran_on(1), "jobs are at work")

        # A body of its own for each: they would share one read.
        callers = [threading.Thread(target=server.ctl, args=("get", origin.url(f"stream{i}"), "-o", "-"))
                   for server in replicas for i in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        counts = replicas[0].wait_until_ended(300)

        self.assertEqual(counts, {"SUCCEEDED": 300})
        self.assertEqual(origin.answered, 300 + len(callers))
        self.assertLessEqual(origin.most_requests, PER_HOST)

    def test_what_an_origin_asks_of_one_all_do(self):
        origin = self.start_origin()
        origin.refuses_at = 200
        replicas = [self.start_replica() for _ in range(REPLICAS)]

        self.submit(replicas[0], origin.url(), 600)
        counts = replicas[0].wait_until_ended(600)

        self.assertEqual(counts, {"SUCCEEDED": 600})
        self.assertEqual(origin.answered, 601, "one was asked again")
        # What had begun ends: those at work, and those in line for a connection, a fraction of a second.
        early = [at for at in origin.arrivals if origin.refused_at + 2 < at < origin.refused_at + RETRY_AFTER - 0.5]
        self.assertEqual(early, [])
        self.assertTrue([at for at in origin.arrivals if at > origin.refused_at + RETRY_AFTER - 0.5])

    def test_limits_of_a_tenant_and_of_an_origins_transfers_hold_for_all_of_them(self):
        for limit in ("tenants.default.max_transfers=5", "origins.127.0.0.1.max_transfers=5"):
            with self.subTest(limit):
                origin = self.start_origin()
                replicas = [self.start_replica("limits.per_host=64", limit) for _ in range(REPLICAS)]

                self.submit(replicas[0], origin.url(), 400)
                done = harness.wait_for(lambda: origin.answered >= 400, "all were answered", 120)

                self.assertTrue(done)
                self.assertLessEqual(origin.most_requests, 5)
                self.assertGreater(origin.most_requests, 2)
                for replica in replicas:
                    self.assertEqual(replica.stop(), 0)


if __name__ == "__main__":
    harness.main()
