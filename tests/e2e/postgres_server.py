"""A PostgreSQL server in a folder that is thrown away. It refuses root: then it runs as nobody."""
import os
import signal
import subprocess

import harness

PROGRAMS = "/usr/lib/postgresql/15/bin"
NOBODY = 65534


class PostgresServer:
    """On loopback, where everybody is let in; and on `address`, when there is one, for who comes from `network` and knows a password."""

    def __init__(self, folder, address=None, network=None):
        self.folder = folder
        self.port = harness.free_port()
        self.addresses = ["127.0.0.1", *([address] if address else [])]
        self.process = None
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        self.run("initdb", "-D", folder / "data", "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        if address:
            with open(folder / "data/pg_hba.conf", "a") as admitted:
                admitted.write(f"host all all {network} scram-sha-256\n")
        self.start()

    def command(self, program, *arguments):
        other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        return [*other, f"{PROGRAMS}/{program}", *map(str, arguments)]

    def run(self, program, *arguments):
        return subprocess.run(self.command(program, *arguments), check=True, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, cwd="/").stdout.strip()

    def url(self):
        return f"postgres://test@127.0.0.1:{self.port}/postgres"

    def query(self, sql):
        return self.run("psql", "-X", "-A", "-t", "-d", self.url(), "-c", sql)

    def answers(self):
        return subprocess.run(self.command("psql", "-X", "-d", self.url(), "-c", "SELECT 1"), capture_output=True,
                              stdin=subprocess.DEVNULL, cwd="/").returncode == 0

    def start(self):
        settings = [f"listen_addresses={','.join(self.addresses)}", f"port={self.port}", "fsync=off", "full_page_writes=off",
                    "shared_buffers=32MB"]
        with open(self.folder.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(
                self.command("postgres", "-D", self.folder / "data", "-k", self.folder,
                             *(word for setting in settings for word in ("-c", setting))),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        harness.wait_for(self.answers, "PostgreSQL answers", 60)

    def stop(self, how=signal.SIGQUIT):
        """SIGINT: fast, connections are ended and all is written. SIGQUIT: immediate, as a crash, recovered at the next start."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
