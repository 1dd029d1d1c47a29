#!/usr/bin/env python3
"""Origins that limit how often they are asked, that are paused, and that do not answer at all."""
import hashlib

import harness


def origins(server):
    return {state["origin"]: state for state in server.json("origins")}


class PacingTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.server = self.start_server()
        self.origin = f"http://127.0.0.1:{self.nginx.port}"

    def explain(self, name):
        return self.server.json("explain", name)[0]

    def test_an_origin_that_says_429_is_asked_as_it_wants_and_costs_no_job_an_attempt(self):
        count = 80
        self.nginx.add("body", b"x" * 1000)
        manifest = self.folder / "manifest"
        manifest.write_text("".join(f"{self.nginx.url('strict/body')}\tfile:out/{i}\n" for i in range(count)))

        self.server.ctl("submit", "-q", "-i", manifest, "--wait")

        jobs = self.server.json("list", "--all")
        self.assertEqual({job["state"] for job in jobs}, {"SUCCEEDED"})
        self.assertEqual(len(jobs), count)
        self.assertEqual({job["attempt_count"] for job in jobs}, {1})
        refused = [path for path, status, _ in self.nginx.requests() if status == "429"]
        self.assertTrue(refused)
        # Without pacing each of the jobs would ask again and again while nginx refuses.
        self.assertLess(len(refused), 3 * count)
        state = origins(self.server)[self.origin]
        self.assertEqual(int(state["pushbacks"]), len(refused))
        put_off = [attempt["outcome"] for job in jobs for attempt in self.explain(job["name"])["job"]["attempts"]]
        self.assertEqual(put_off.count("OUTCOME_PUT_OFF"), len(refused))

    def test_a_paused_origin_holds_its_jobs_and_says_so_and_others_go_on(self):
        other = self.start_nginx()
        url, free = self.nginx.add("body", b"held"), other.add("body", b"free")
        self.server.ctl("origins", self.origin, "--max-transfers", "0")

        held = self.server.submit(url, options=("--to", "file:held"))[0]
        self.server.ctl("submit", free, "--to", "file:free", "--wait", "-q")

        explained = self.explain(held)
        self.assertEqual(explained["job"]["state"], "QUEUED")
        self.assertEqual(explained["wait"]["reason"], "REASON_ORIGIN_ON_HOLD")
        self.assertIn("paused", explained["wait"]["explanation"])
        self.assertIn("Remedy:", self.server.ctl("explain", held).stdout)
        run = self.server.ctl("get", url, "-o", "-", check=False)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("on hold", run.stderr)

        self.server.ctl("origins", self.origin, "--no-limits")
        self.server.ctl("watch", held)
        self.assertEqual(self.explain(held)["job"]["state"], "SUCCEEDED")
        self.assertNotIn("wait", self.explain(held))

    def test_jobs_are_paused_by_label_and_go_on_where_they_were(self):
        body = harness.pattern(400_000)
        self.nginx.add("body", body)
        names = self.server.submit(*(self.nginx.url(f"slow/body?{i}") for i in range(3)), options=("--label", "batch=7"))
        harness.wait_for(lambda: all(int(self.server.job(name)["progress"]["received_bytes"]) > 70_000 for name in names),
                         "bytes of each have come")

        self.server.ctl("pause", "--label", "batch=7")
        self.assertEqual({self.server.job(name)["state"] for name in names}, {"PAUSED"})
        self.assertEqual(self.explain(names[0])["wait"]["reason"], "REASON_PAUSED")
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual({self.server.job(name)["state"] for name in names}, {"PAUSED"})

        self.server.ctl("resume", "--label", "batch=7")
        self.server.ctl("watch", *names)
        for name in names:
            job = self.server.job(name)
            self.assertEqual(job["attempt_count"], 1)
            self.assertEqual(harness.sha256(job["result"]["destination"].removeprefix("file://")),
                             hashlib.sha256(body).hexdigest())
        self.assertGreaterEqual(sum(wanted.startswith("bytes=") for _, _, wanted in self.nginx.requests()), 3)

    def test_an_origin_that_is_down_opens_its_circuit_and_is_probed(self):
        server = self.start_server("breaker.pause=100ms", "retry.base_delay=10ms", "retry.max_delay=20ms")
        origin = f"http://127.0.0.1:{harness.free_port()}"
        names = server.submit(*(f"{origin}/{i}" for i in range(4)))

        harness.wait_for(lambda: int(origins(server).get(origin, {}).get("circuit_openings", 0)) > 0, "the circuit opens")
        server.ctl("watch", *names, check=False)

        self.assertGreater(int(origins(server)[origin]["circuit_openings"]), 1)
        self.assertEqual({server.job(name)["state"] for name in names}, {"FAILED"})


if __name__ == "__main__":
    harness.main()
