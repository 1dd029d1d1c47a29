#!/usr/bin/env python3
"""kill -9 at random moments: no accepted job is lost or done twice, and no partial file is ever seen."""
import threading
import time

import harness

JOBS = 2_000 if harness.FULL else 200
KILLS = 20 if harness.FULL else 4
BODY_SIZES = (1_000, 70_000, 400_000, 1_500_000)


class Watcher(threading.Thread):
    """Looks at every file that is visible at its destination, all the time: it must be whole, always."""

    def __init__(self, root, expected_size):
        super().__init__(daemon=True)
        self.root, self.expected_size = root, expected_size
        self.partial, self.looks = [], 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.01):
            for path in self.root.glob("crash/*"):
                self.looks += 1
                if path.name in self.expected_size and path.stat().st_size != self.expected_size[path.name]:
                    self.partial.append(path)

    def stop(self):
        self.stopping.set()
        self.join()


class CrashTest(harness.TestCase):
    def test_every_accepted_job_succeeds_once_whenever_the_process_is_killed(self):
        nginx = self.start_nginx(slow_rate="2m")
        server = self.start_server("limits.per_host=16")
        bodies = [harness.pattern(size, size) for size in BODY_SIZES]
        urls = [nginx.add(f"body{i}", body) for i, body in enumerate(bodies)]
        slow_urls = [nginx.url(f"slow/body{i}") for i in range(len(bodies))]
        choice = [self.random.randrange(len(bodies)) for _ in range(JOBS)]
        entries = [{"url": (slow_urls if i % 4 == 0 else urls)[choice[i]], "destination": f"file:crash/{i}",
                    "request_id": f"crash-{i}"} for i in range(JOBS)]
        watcher = Watcher(server.data / "files", {str(i): len(bodies[choice[i]]) for i in range(JOBS)})
        watcher.start()
        self.addCleanup(watcher.stop)
        submitter = self.submit_in_background(server, entries)

        for _ in range(KILLS):
            moment = self.random.uniform(0.05, 1.0)
            print(f"kill -9 after {moment:.3f} s", flush=True)
            time.sleep(moment)  # The random moment itself.
            server.kill()
            server.start()
        submitter.join(120)
        self.assertFalse(submitter.is_alive(), "not every job was accepted")
        counts = server.wait_until_ended(JOBS, seconds=300)
        watcher.stop()

        self.assertEqual(counts, {"SUCCEEDED": JOBS})
        self.assertEqual(watcher.partial, [])
        self.assertGreater(watcher.looks, 0)
        for i in range(JOBS):
            self.assertEqual((server.data / f"files/crash/{i}").read_bytes(), bodies[choice[i]])
        self.assertEqual(len(server.files()), JOBS, "a temporary file is left")
        jobs = server.json("list", "--all")
        self.assertEqual(len(jobs), JOBS)
        for job in jobs:
            successes = [a for a in server.json("describe", job["name"])[0].get("attempts", [])
                         if a["outcome"] == "OUTCOME_SUCCEEDED"]
            self.assertLessEqual(len(successes), 1, job["name"])
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
