#!/usr/bin/env python3
"""One read, several destinations: each gets the body or fails by itself, and the job says which."""
import hashlib

import harness


class TeeTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx(slow_rate="500k")
        self.server = self.start_server()
        self.body = harness.pattern(2_000_000)
        self.digest = hashlib.sha256(self.body).hexdigest()

    def submit(self, url, *options):
        return self.server.submit(url, options=("--to", "file:a/{basename}", "--to", "file:b/{job}", *options))[0]

    def requests_for(self, path):
        return [status for asked, status, _ in self.nginx.requests() if asked == path]

    def contents(self):
        return [path.read_bytes() for path in self.server.files()]

    def test_one_read_brings_the_body_to_each(self):
        url = self.nginx.add("body", self.body)

        name = self.submit(url, "--sha256", self.digest)
        self.server.ctl("watch", name)

        job = self.server.job(name)
        self.assertEqual(job["state"], "SUCCEEDED")
        self.assertEqual(self.contents(), [self.body, self.body])
        self.assertEqual(self.requests_for("/body"), ["200"])
        places = [delivery["destination"] for delivery in job["result"]["deliveries"]]
        self.assertEqual(places, [f"file://{path}" for path in self.server.files()])
        self.assertEqual(self.server.ctl("read", name, "-o", "-", text=False).stdout, self.body)

    def test_the_job_says_which_failed_and_a_retry_brings_it_there(self):
        url = self.nginx.add("body", self.body)
        obstacle = self.server.data / "files" / "a" / "body"
        obstacle.mkdir(parents=True)

        name = self.submit(url)
        watched = self.server.ctl("watch", name, check=False)
        failed = self.server.job(name)
        described = self.server.ctl("describe", name).stdout

        self.assertEqual(watched.returncode, 1)
        self.assertEqual(failed["state"], "FAILED")
        self.assertIn("1 of 2 destinations did not get the body: file:a/body: ", failed["error"]["message"])
        self.assertIn("is a directory", described)
        self.assertEqual(self.contents(), [self.body])
        first, second = failed["result"]["deliveries"]
        self.assertIn("error", first)
        self.assertNotIn("error", second)

        obstacle.rmdir()
        self.server.ctl("retry", name)
        self.server.ctl("watch", name)
        self.assertEqual(self.server.job(name)["state"], "SUCCEEDED")
        self.assertEqual(self.contents(), [self.body, self.body])
        self.assertEqual(self.requests_for("/body"), ["200", "200"])

    def test_after_a_restart_both_go_on_with_what_they_have(self):
        self.server.stop()
        self.server = self.start_server("shutdown.grace=0s")
        self.nginx.add("body", self.body)
        name = self.submit(self.nginx.url("slow/body"))
        harness.wait_for(lambda: int(self.server.job(name)["progress"]["received_bytes"]) > 500_000, "some of it is here")

        self.server.stop()
        self.server.start()
        self.server.ctl("watch", name)

        job = self.server.job(name)
        self.assertEqual(job["state"], "SUCCEEDED")
        self.assertEqual(self.contents(), [self.body, self.body])
        self.assertGreater(int(job["attempts"][-1]["resumed_from_bytes"]), 0)

    def test_cancel_leaves_nothing_at_either(self):
        self.nginx.add("body", self.body)
        name = self.submit(self.nginx.url("slow/body"))
        harness.wait_for(lambda: int(self.server.job(name)["progress"]["received_bytes"]) > 100_000, "it is under way")

        self.server.ctl("cancel", name)

        harness.wait_for(lambda: not self.server.files(), "the temporary files are gone")

    def test_destinations_that_get_in_each_others_way_are_refused(self):
        for places, complaint in [(("file:a", "file:a"), "given twice"), (("file:a", "discard:"), "discard: cannot be one of several"),
                                  (("file:a", "file:../b"), "more_destinations[0]"),
                                  (tuple(f"file:{i}" for i in range(9)), "at most 7")]:
            refused = self.server.ctl("submit", self.nginx.url("body"), *(word for place in places for word in ("--to", place)), check=False)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn(complaint, refused.stderr)


if __name__ == "__main__":
    harness.main()
