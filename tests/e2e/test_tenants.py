#!/usr/bin/env python3
"""Tenants share one server: turns by weight, bounds on jobs and on transfers."""
import time

import harness


class TenantsTest(harness.TestCase):
    def tenants(self):
        return {tenant["tenant"]: tenant for tenant in self.server.json("status")[0].get("tenants", [])}

    def test_a_large_queue_of_one_tenant_to_a_slow_host_does_not_hold_up_another(self):
        nginx, other = self.start_nginx(), self.start_nginx()
        slow, fast = nginx.add("slow", harness.pattern(400_000)), other.add("fast", b"fast")
        self.server = self.start_server("limits.transfers=8", "tenants.large.weight=1")
        manifest = self.folder / "manifest"
        manifest.write_text("".join(f"{nginx.url('slow/slow')}?{i}\n" for i in range(300)))
        self.server.ctl("submit", "-q", "-i", manifest, "--tenant", "large", "--to", "discard:", slow)
        harness.wait_for(lambda: int(self.tenants()["large"].get("running", 0)) > 0, "the large tenant's jobs run")

        self.server.ctl("submit", "-q", "--wait", "--wait-timeout", "15s", "--tenant", "small", "--to", "discard:", fast)

        self.assertGreater(int(self.tenants()["large"]["waiting"]), 200)
        self.assertEqual(len(self.server.json("list", "--tenant", "small")), 1)

    def test_a_tenant_has_no_more_jobs_than_it_may_and_is_told_when_to_come_back(self):
        url = self.start_nginx().add("body", b"body")
        self.server = self.start_server("tenants.small.max_jobs=2", "tenants.small.max_transfers=0")
        for _ in range(2):
            self.server.submit(url, options=("--tenant", "small"))

        run = self.server.ctl("submit", url, "--tenant", "small", check=False)

        self.assertNotEqual(run.returncode, 0)
        self.assertIn("tenant small has 2 jobs that have not ended", run.stderr)
        self.assertEqual(len(self.server.json("list", "--tenant", "small")), 2)
        self.server.submit(url, options=("--tenant", "other"))
        waiting = self.server.json("list", "--tenant", "small")[0]["name"]
        self.assertEqual(self.server.json("explain", waiting)[0]["wait"]["reason"], "REASON_TENANT_LIMIT")
        self.server.ctl("cancel", "--tenant", "small")
        self.server.submit(url, options=("--tenant", "small"))

    def test_a_tenant_stores_no_more_than_it_may_until_it_deletes_jobs(self):
        url = self.start_nginx().add("body", harness.pattern(1000))
        self.server = self.start_server("tenants.small.max_stored_bytes=1500")
        options = ("--wait", "--tenant", "small", "--to", "file:{job}")
        first, = self.server.submit(url, options=options)

        run = self.server.ctl("submit", *options, url, check=False)

        self.assertIn("tenant small has stored 1000 of the 1500 bytes", run.stdout + run.stderr)
        self.assertEqual(len(self.server.files()), 1)
        small = self.tenants()["small"]
        self.assertEqual((small["stored_bytes"], small["max_stored_bytes"]), ("1000", "1500"))
        self.assertIn("1000 B of 1.5 KiB stored", self.server.ctl("status", "-o", "wide").stdout)
        self.server.ctl("delete", first)
        self.server.submit(url, options=options)

    def test_all_bodies_of_a_tenant_together_are_read_no_faster_and_those_of_others_are(self):
        url = self.start_nginx().add("body", harness.pattern(1 << 20))
        self.server = self.start_server("tenants.slow.bytes_per_sec=1MiB")

        def waits(tenant):
            names = self.server.submit(f"{url}?1", f"{url}?2", options=("--wait", "--tenant", tenant, "--to", "discard:"))
            return [self.server.job(name)["attempts"][0].get("rate_wait", "0s") for name in names]

        self.assertEqual(waits("quick"), ["0s", "0s"])
        begun = time.monotonic()
        self.assertNotIn("0s", waits("slow"))
        # 2 MiB; a quarter of a second may be saved up, and who has read the last bytes waits no more.
        self.assertGreater(time.monotonic() - begun, 1)

    def test_a_tenant_that_is_no_name_is_refused(self):
        self.server = self.start_server()

        run = self.server.ctl("submit", "https://example.org/", "--tenant", "No Name", check=False)

        self.assertEqual(run.returncode, 2)
        self.assertIn("tenant: must be 1 to 63", run.stderr)


if __name__ == "__main__":
    harness.main()
