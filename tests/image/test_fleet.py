#!/usr/bin/env python3
"""Three replicas that share one queue in PostgreSQL and one folder of files are replaced one after the other while callers go on: what
`k8s/overlays/fleet` promises, with real containers behind a balancer. Here any replica may be asked about any job."""
import os
import pathlib

import callers
import lab
import postgres_server
from lab import harness

LEASE_SECONDS = 2  # A replica that is killed is missed sooner than with the 30 s of the default.


class FleetTest(callers.RollingCase):
    @classmethod
    def setUpClass(cls):
        if not pathlib.Path(postgres_server.PROGRAMS, "initdb").exists():
            lab.skip("not installed (scripts/install-deps test): postgresql-15")
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.postgres = postgres_server.PostgresServer(self.folder / "postgres")
        self.addCleanup(self.postgres.stop)
        self.set_up_origin()
        self.files = self.folder / "files"
        self.files.mkdir()
        self.keys = self.folder / "keys"
        self.keys.write_text("00112233" * 8 + "\n")
        self.keys.chmod(0o400)
        for path in (self.files, self.keys):
            os.chown(path, lab.USER, lab.USER)
        self.start_replicas(self.make_replica)

    def make_replica(self, number):
        replica = lab.Container(self, f"replica{number}", 20 + number, "shutdown.grace=1s", "limits.per_host=64", "files.root=/srv/files",
                                f"store.url={self.postgres.url()}", f"store.lease={LEASE_SECONDS}s", "secrets.key_file=/keys")
        replica.options += ["--volume", f"{self.files}:/srv/files", "--volume", f"{self.keys}:/keys:ro"]
        return replica

    def assert_all_succeeded(self, met):
        """Whoever is asked says it of every job that was accepted, the bytes are there, and no temporary file is left."""
        for replica in self.replicas:
            ended = {job["name"] for job in replica.json("list", "--all", "--state", "SUCCEEDED")}
            self.assertEqual(set(met["accepted"].values()) - ended, set(), replica.name)
        files = {path.name: path for path in self.files.iterdir()}
        self.assertEqual(set(met["accepted"]) - set(files), set())
        self.assertEqual([name for name in files if not name.startswith("job-")], [])
        self.assertEqual([name for name, path in files.items() if path.read_bytes() != self.body], [])

    def test_an_update_loses_no_job_fails_no_call_and_leaves_watches_whole(self):
        load = self.start_callers("--shared")
        self.replace_all()
        self.await_success(load)
        met = load.report()

        callers.assert_nothing_failed(self, met)
        self.assert_all_succeeded(met)
        callers.assert_watches_are_whole(self, met)
        continued = [request for request in self.nginx.requests() if request[2].startswith("bytes=")]
        self.assertGreater(len(continued), 0, "no transfer was interrupted: nothing was handed over")

    def test_jobs_of_one_that_is_killed_end_on_the_others(self):
        load = self.start_callers("--shared")
        gone = harness.wait_for(lambda: next((one for one in self.replicas if self.transfers(one) > 0), None), "one is at work", 60)
        gone.kill()
        self.assertEqual(gone.exit_code(), 137)
        self.replicas.remove(gone)
        self.await_success(load)
        self.replicas.append(gone.start())

        self.assert_all_succeeded(load.report())


if __name__ == "__main__":
    lab.main()
