#!/usr/bin/env python3
"""Callers who want the same at the same time share one read of the origin."""
import hashlib
import re
import signal
import subprocess

import harness


class ShareTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.server = self.start_server()

    def start_get(self, url, name):
        path = self.folder / name
        return path, subprocess.Popen(self.words("get", "-q", url, "-o", path))

    def words(self, *words):
        return [harness.binaries["fetchctl"], "--server", self.server.address, *map(str, words)]

    def gets_of(self, path):
        return [status for asked, status, _ in self.nginx.requests() if asked == path]

    def test_fetches_and_jobs_of_one_url_read_it_once_and_outlive_the_one_who_began(self):
        body = harness.pattern(150_000)
        self.nginx.add("body", body)
        url = self.nginx.url("slow/body")
        digest = hashlib.sha256(body).hexdigest()
        _, first = self.start_get(url, "first")
        harness.wait_for(lambda: self.metric("fetchd_shared_reads_total") > 0, "the first has begun")

        others = [self.start_get(url, f"other{i}") for i in range(4)]
        jobs = [self.server.submit(url, options=("--sha256", digest, "--to", "file:{job}"))[0] for _ in range(2)]
        harness.wait_for(lambda: self.metric("fetchd_shared_reads_joined_total") == 6, "all have joined")
        first.send_signal(signal.SIGINT)
        for path, process in others:
            self.assertEqual(process.wait(), 0)
            self.assertEqual(path.read_bytes(), body)
        self.server.ctl("watch", *jobs)

        for name in jobs:
            job = self.server.job(name)
            self.assertEqual(job["state"], "SUCCEEDED")
            self.assertEqual(harness.sha256(job["result"]["destination"].removeprefix("file://")), digest)
            self.assertIn("joined a read under way", self.server.ctl("explain", name).stdout)
        self.assertEqual(first.wait(), 130)
        self.assertEqual(self.gets_of("/slow/body"), ["200"])

    def test_a_reader_that_stalls_holds_up_nobody_and_gets_all_of_it(self):
        body = harness.pattern(8_000_000)
        url = self.nginx.add("large", body)
        slow = subprocess.Popen(self.words("get", "-q", url, "-o", "-"), stdout=subprocess.PIPE)
        start = slow.stdout.read(1000)
        path, fast = self.start_get(url, "fast")

        self.assertEqual(fast.wait(), 0)
        self.assertEqual(path.read_bytes(), body)
        rest, _ = slow.communicate()
        self.assertEqual(start + rest, body)

    def test_who_wants_no_sharing_reads_alone(self):
        self.nginx.add("body", b"x" * 100_000)
        url = self.nginx.url("slow/body")
        gets = [subprocess.Popen(self.words("get", "-q", "--share", "never", url, "-o", "/dev/null")) for _ in range(3)]

        self.assertEqual([process.wait() for process in gets], [0, 0, 0])
        self.assertEqual(len(self.gets_of("/slow/body")), 3)

    def metric(self, name):
        status, page = self.server.health("/metrics")
        self.assertEqual(status, 200)
        return int(re.search(rf"^{name} (\d+)$", page, re.MULTILINE)[1])


if __name__ == "__main__":
    harness.main()
