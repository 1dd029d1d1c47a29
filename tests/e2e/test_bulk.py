#!/usr/bin/env python3
"""Thousands of jobs in one submit: all of them arrive, once."""
import harness

JOBS = 10_000 if harness.FULL else 500
BODIES = 50


class BulkTest(harness.TestCase):
    def test_every_job_of_one_submit_arrives_and_a_second_submit_creates_nothing(self):
        nginx = self.start_nginx()
        server = self.start_server("limits.per_host=32")
        bodies = [harness.pattern(1024 + 37 * i, i) for i in range(BODIES)]
        urls = [nginx.add(f"body{i}", body) for i, body in enumerate(bodies)]
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": urls[i % BODIES], "destination": f"file:bulk/{i % 100}/{i}", "request_id": f"bulk-{i}"}
            for i in range(JOBS)))

        first = server.submit(options=["-i", manifest])
        counts = server.wait_until_ended(JOBS, seconds=300)

        self.assertEqual(len(set(first)), JOBS)
        self.assertEqual(counts, {"SUCCEEDED": JOBS})
        self.assertEqual(len(server.files()), JOBS)
        for i in range(JOBS):
            file = server.data / f"files/bulk/{i % 100}/{i}"
            self.assertEqual(file.read_bytes(), bodies[i % BODIES], file)

        requests_before = len(nginx.requests())
        second = server.submit(options=["-i", manifest])

        self.assertEqual(second, first)
        self.assertEqual(server.counts(), {"SUCCEEDED": JOBS})
        self.assertEqual(len(nginx.requests()), requests_before)


if __name__ == "__main__":
    harness.main()
