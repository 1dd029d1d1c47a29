#!/usr/bin/env python3
"""What a queue on one PostgreSQL carries: jobs made, claimed and ended per second by several processes, and what each costs.

fleet.py --build DIR [--jobs N] [--replicas 1,2,4] [--queued 1000,100000,1000000]     see bench/README.md
"""
import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import measure

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
NOBODY = 65534
SETTINGS = ("listen_addresses=127.0.0.1", "shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=15min", "wal_compression=off",
            "max_connections=60")
HEAD = ["what", "processes", "queued", "jobs/s", "fetchd us a job", "PostgreSQL us a job", "WAL bytes a job", "commits a job", "rows a job",
        "changes a commit"]


class Postgres:
    """Its data are flushed to the disk of `folder`, as in production."""

    def __init__(self, folder):
        self.folder = folder
        self.port = measure.free_ports(1)[0]
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        self.run("initdb", "-D", folder / "data", "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.log = open(folder.with_suffix(".log"), "wb")
        words = [word for setting in (*SETTINGS, f"port={self.port}") for word in ("-c", setting)]
        self.process = subprocess.Popen(self.command("postgres", "-D", folder / "data", "-k", folder, *words), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, cwd="/")
        deadline = time.monotonic() + 60
        while subprocess.run(self.command("pg_isready", "-q", "-h", "127.0.0.1", "-p", self.port), cwd="/", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not come up")
            time.sleep(0.1)

    def command(self, program, *arguments):
        other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        return [*map(str, (*other, PROGRAMS / program, *arguments))]

    def run(self, program, *arguments):
        done = subprocess.run(self.command(program, *arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/",
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def url(self, database):
        return f"postgres://bench@127.0.0.1:{self.port}/{database}"

    def query(self, database, sql):
        return self.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", sql)

    def cpu(self):
        """Seconds of the server, of all its processes: those that have ended count for their parent."""
        total = 0
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, IndexError):
                fields = path.read_text().rsplit(")", 1)[1].split()
                pid, parent = int(path.parent.name), int(fields[1])
                if pid == self.process.pid:
                    total += sum(map(int, fields[11:15]))
                elif parent == self.process.pid:
                    total += sum(map(int, fields[11:13]))
        return total / measure.TICK

    def counters(self, database, replicas):
        """Sessions report their figures with the end of a transaction, once a second at most: so each has one more, of one job."""
        time.sleep(1.1)
        for replica in replicas:
            replica.tell("single", 1)
            replica.answer()
        wal, commits, rows = self.query(database, "SELECT pg_current_wal_lsn() - '0/0', xact_commit, tup_inserted + tup_updated + tup_deleted"
                                        " FROM pg_stat_database WHERE datname = current_database()").split("|")
        return float(wal), int(commits), int(rows)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


class Replica:
    def __init__(self, build, url, number):
        self.process = subprocess.Popen([measure.find_binary(build, "store_fleet_bench"), url, str(number)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.answer()

    def tell(self, what, jobs):
        self.process.stdin.write(f"{what} {jobs}\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended with {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def fill(postgres, database, queued):
    """Copies of a job that was made by the Store, under other ids, by SQL and with the indexes made afterwards: through the Store a million
    take as long as a million jobs take."""
    origin = "'https://host' || i % 20 || '.example.org:443'"
    other = {"id": "'00' || lpad(CAST(i AS text), 24, '0')", "origin": origin, "lane": origin, "ready_at": "m.ready_at - 1000000000000 + i * 1000",
             "request_id": "convert_to('filled-' || i, 'UTF8')"}
    columns = postgres.query(database, "SELECT attname FROM pg_attribute WHERE attrelid = 'jobs'::regclass AND attnum > 0 AND NOT attisdropped"
                             " ORDER BY attnum").split()
    indexes = [line.split("|") for line in postgres.query(
        database, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'jobs' AND indexname NOT LIKE '%_key' AND indexname NOT LIKE '%_pkey'"
    ).splitlines()]
    steps = ["CREATE TABLE model AS SELECT * FROM jobs WHERE state = 'QUEUED' ORDER BY id LIMIT 1",
             *(f"DROP INDEX {name}" for name, _ in indexes),
             f"INSERT INTO jobs ({', '.join(columns)}) SELECT {', '.join(other.get(column, 'm.' + column) for column in columns)}"
             f" FROM model AS m, generate_series(1, {queued}) AS i",
             *(definition for _, definition in indexes),
             f"UPDATE job_counts SET jobs = jobs + {queued} WHERE state = 'QUEUED'", "DROP TABLE model"]
    postgres.query(database, "BEGIN;" + ";".join(steps) + ";COMMIT")
    postgres.query(database, "VACUUM ANALYZE jobs")


def phase(postgres, database, replicas, what, jobs, queued):
    each = jobs // len(replicas)
    before, cpu = postgres.counters(database, replicas), postgres.cpu()
    started = time.monotonic()
    for replica in replicas:
        replica.tell(what, each)
    answers = [replica.answer() for replica in replicas]
    wall = time.monotonic() - started
    cpu = postgres.cpu() - cpu
    wal, commits, rows = (after - earlier for after, earlier in zip(postgres.counters(database, replicas), before))
    done = each * len(replicas)
    total = {key: sum(answer[key] for answer in answers) for key in answers[0]}
    return [what, str(len(replicas)), f"{queued:,}", f"{done / wall:,.0f}", f"{total['cpu'] / done * 1e6:.0f}", f"{cpu / done * 1e6:.0f}",
            f"{wal / done:,.0f}", f"{commits / done:.3f}", f"{rows / done:.1f}", f"{total['changes'] / max(total['commits'], 1):.0f}"]


def rows(options, postgres):
    number = 0
    for queued in options.queued:
        for count in options.replicas:
            number += 1
            database = f"bench{number}"
            postgres.query("postgres", f"CREATE DATABASE {database}")
            replicas = [Replica(options.build, postgres.url(database), 100 * number + i) for i in range(count)]
            try:
                # Makes the tables' first pages and what is prepared, and the model of what is queued.
                for replica in replicas:
                    replica.tell("both", 200)
                    replica.answer()
                replicas[0].tell("submit", 1)
                replicas[0].answer()
                fill(postgres, database, queued)
                yield phase(postgres, database, replicas, "submit", options.jobs, queued)
                yield phase(postgres, database, replicas, "work", options.jobs, queued)
                yield phase(postgres, database, replicas, "both", options.jobs, queued)
                if queued == options.queued[0]:
                    yield phase(postgres, database, replicas, "single", options.singles, queued)
            finally:
                for replica in replicas:
                    replica.stop()
            sizes(postgres, database, queued, options)
            postgres.query("postgres", f"DROP DATABASE {database}")


def sizes(postgres, database, queued, options):
    text = postgres.query(database, "SELECT relname || ' ' || pg_total_relation_size(oid) || ' of which indexes ' || pg_indexes_size(oid)"
                          " FROM pg_class WHERE relkind = 'r' AND relname IN ('jobs', 'events', 'attempts', 'bodies') ORDER BY relname")
    live = postgres.query(database, "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM jobs WHERE state = 'SUCCEEDED'),"
                          " (SELECT count(*) FROM events)")
    print(f"    {database}: jobs, of them ended, events: {live}; bytes: {text.replace(chr(10), '; ')}", file=sys.stderr, flush=True)


def main():
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=20_000, help="of a phase, by all processes together")
    parser.add_argument("--singles", type=int, default=400, help="of the phase in which each job waits for its own commit")
    parser.add_argument("--replicas", type=numbers, default=[1, 2, 4])
    parser.add_argument("--queued", type=numbers, default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to be measured; default: the system's for temporary files")
    options = parser.parse_args()
    print(f"{measure.machine()}; PostgreSQL on the same machine, {', '.join(SETTINGS[1:])}; fsync on\n")
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-", dir=options.folder) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        postgres = Postgres(folder / "postgres")
        try:
            sync = subprocess.run([PROGRAMS / "pg_test_fsync", "-s", "1", "-f", folder / "sync"], capture_output=True, text=True, check=False).stdout
            print(next((line.strip() for line in sync.splitlines() if line.strip().startswith("fdatasync")), "fdatasync: ?"), "\n")
            measure.print_table(HEAD, rows(options, postgres))
        finally:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
