#!/usr/bin/env python3
"""The backup of docs/operate.md: made while fetchd runs, and brought back."""
import shutil
import signal
import subprocess

import harness

JOBS = 120


class BackupTest(harness.TestCase):
    def start_busy(self):
        nginx = self.start_nginx(slow_rate="256k")
        nginx.add("body", harness.pattern(300_000))
        server = self.start_server("limits.per_host=16")
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": nginx.url("slow/body"), "destination": f"file:{i}", "headers": {"Authorization": "Bearer canary"}} for i in range(JOBS)))
        names = server.submit(options=["-i", manifest])
        harness.wait_for(lambda: server.counts().get("SUCCEEDED"), "some jobs have ended")
        return server, names

    def back_up(self, server, to):
        """As the manual has it."""
        to.mkdir(mode=0o700)
        subprocess.run(["sqlite3", server.data / "fetchd.db", f".backup '{to}/fetchd.db'"], check=True, timeout=60)
        shutil.copy2(server.data / "fetchd.key", to / "fetchd.key")

    def test_it_is_whole_though_it_was_made_while_jobs_ran(self):
        server, names = self.start_busy()
        self.back_up(server, self.folder / "backup")
        at_least = server.counts()
        self.assertTrue(at_least.get("RUNNING"), "nothing ran any more: the test shows nothing")
        self.assertEqual(server.stop(signal.SIGTERM), 0)

        restored = self.new_server("limits.per_host=16")
        shutil.copytree(self.folder / "backup", restored.data)
        restored.start()

        self.assertEqual(sum(restored.counts().values()), JOBS)
        self.assertEqual(restored.wait_until_ended(JOBS), {"SUCCEEDED": JOBS})
        self.assertEqual({restored.job(name)["state"] for name in names[:5]}, {"SUCCEEDED"})

    def test_without_its_key_it_is_not_opened(self):
        server, _ = self.start_busy()
        self.back_up(server, self.folder / "backup")
        self.assertEqual(server.stop(signal.SIGTERM), 0)

        restored = self.new_server()
        shutil.copytree(self.folder / "backup", restored.data)
        (restored.data / "fetchd.key").unlink()
        restored.launch()

        self.assertNotEqual(restored.process.wait(30), 0)
        self.assertIn("key", restored.tail())


if __name__ == "__main__":
    harness.main()
