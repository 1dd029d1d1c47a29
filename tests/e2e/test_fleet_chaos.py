#!/usr/bin/env python3
"""Three fetchd on one PostgreSQL and one folder. At random one is killed, or stopped for longer than its lease and let go on, or PostgreSQL is
restarted, while jobs are submitted all the time: each ends once, whole, and what it brought is not touched after its end.

FETCHD_FLEET_JOBS=N runs N jobs instead of 600 (50,000 with FETCHD_E2E_FULL=1), with a fault more for each 800 above that.
"""
import collections
import concurrent.futures
import json
import os
import signal
import subprocess
import threading
import time

import harness
from postgres_server import PostgresServer

JOBS = int(os.environ.get("FETCHD_FLEET_JOBS") or (50_000 if harness.FULL else 600))
FAULTS = 8 + max(0, JOBS - 600) // 800
REPLICAS = 3
LEASE = 3  # Seconds.
PIECE = 25 if JOBS <= 1000 else 200  # Jobs that are submitted by one call of fetchctl.
TWICE = 0.3  # The share of pieces that are submitted again.
KIB = 1 << 10
SMALL, LARGE = 40, 6  # Bodies.
LARGE_SHARE = 0.06
ENDED = "state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')"


class Partial(threading.Thread):
    """Looks at what is visible at the destinations, all the time: it must be whole, always."""

    def __init__(self, root, sizes):
        super().__init__(daemon=True)
        self.root, self.sizes = root, sizes
        self.found, self.looks = set(), 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.05):
            with os.scandir(self.root) as folders:
                for folder in folders:
                    self.look(folder)

    def look(self, folder):
        with os.scandir(folder) as files:
            for file in files:
                if file.name in self.sizes:
                    self.looks += 1
                    size = file.stat().st_size
                    if size != self.sizes[file.name]:
                        self.found.add((file.name, size))

    def stop(self):
        self.stopping.set()
        self.join()


class FleetChaosTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.postgres = PostgresServer(self.folder / "postgres")
        self.addCleanup(self.postgres.stop)
        self.nginx = self.start_nginx(slow_rate="400k")
        self.files = self.folder / "files"
        (self.files / "fleet").mkdir(parents=True)
        keys = self.folder / "keys"
        keys.write_text("00112233" * 8 + "\n")
        keys.chmod(0o600)
        self.replicas = [self.start_server(
            f"store.url={self.postgres.url()}", f"secrets.key_file={keys}", f"store.lease={LEASE}s", f"files.root={self.files}",
            "limits.per_host=64", "shutdown.grace=500ms", "retry.base_delay=100ms", "retry.max_delay=1s") for _ in range(REPLICAS)]
        self.names = collections.defaultdict(set)  # By request_id.
        self.allowed = threading.Semaphore(0)  # Pieces that may be submitted now.

    def make_bodies(self):
        sizes = [self.random.randrange(KIB, 64 * KIB) for _ in range(SMALL)]
        sizes += [self.random.randrange(1024 * KIB, 3072 * KIB) for _ in range(LARGE)]
        self.bodies = [harness.pattern(size, i) for i, size in enumerate(sizes)]
        for i, body in enumerate(self.bodies):
            self.nginx.add(f"body{i}", body)

    def make_entries(self):
        """Large bodies come slowly, so that faults meet them."""
        self.choice, entries = [], []
        for i in range(JOBS):
            large = self.random.random() < LARGE_SHARE
            body = self.random.randrange(SMALL, SMALL + LARGE) if large else self.random.randrange(SMALL)
            self.choice.append(body)
            entries.append({"url": self.nginx.url(f"slow/body{body}" if large else f"body{body}"),
                            "destination": f"file:fleet/{i % 50}/{i}", "request_id": f"fleet-{i}"})
        return entries

    def submit_piece(self, number, entries, order):
        """Until each entry is accepted, by whichever replica answers; sent again, it is another's turn."""
        manifest = harness.write_manifest(self.folder / f"manifest{number}", entries)
        replica = order
        while True:
            try:
                run = self.replicas[replica % REPLICAS].ctl("submit", "-i", manifest, "-o", "json", check=False, timeout=10)
                if run.returncode == 0:
                    break
            except subprocess.TimeoutExpired:
                pass  # A replica that is stopped. It may make the jobs all the same, later.
            time.sleep(0.05)  # There is no event for "it listens again".
            replica += 1
        for line in run.stdout.splitlines():
            job = json.loads(line)
            self.names[job["request_id"]].add(job["name"])

    def submit_all(self, entries, orders):
        pieces = [entries[at:at + PIECE] for at in range(0, JOBS, PIECE)]
        with concurrent.futures.ThreadPoolExecutor(2) as again:
            repeats = []
            for number, piece in enumerate(pieces):
                self.allowed.acquire()
                order, twice = orders[number]
                if twice:
                    repeats.append(again.submit(self.submit_piece, f"{number}-again", piece, order + 1))
                self.submit_piece(number, piece, order)
            for repeat in repeats:
                repeat.result()

    def ended(self):
        return int(self.postgres.query(f"SELECT coalesce(sum(jobs), 0) FROM job_counts WHERE {ENDED}"))

    def kill(self):
        replica = self.random.choice(self.replicas)
        replica.kill()
        time.sleep(self.random.uniform(0, 1))  # Back before its lease has passed, as a rule.
        replica.start()

    def freeze(self):
        replica = self.random.choice(self.replicas)
        replica.process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE + self.random.uniform(0.5, 2.5))  # Its jobs have heirs by now, some of which are done.
        replica.process.send_signal(signal.SIGCONT)

    def restart_fast(self):
        self.postgres.stop(signal.SIGINT)
        time.sleep(self.random.uniform(0, 1))
        self.postgres.start()

    def restart_immediate(self):
        self.postgres.stop(signal.SIGQUIT)
        time.sleep(self.random.uniform(0, 1))
        self.postgres.start()

    def faults(self):
        """Each kind, most of all the one that makes two believe that a job is theirs."""
        kinds = [self.freeze, self.kill, self.freeze, self.restart_immediate, self.freeze, self.kill, self.freeze, self.restart_fast]
        faults = [kinds[i % len(kinds)] for i in range(FAULTS)]
        self.random.shuffle(faults)
        return faults

    def rows(self, sql):
        return [tuple(line.split("|")) for line in self.postgres.query(sql).splitlines()]

    def check_log_of_events(self):
        count, first, last, counted = self.rows("SELECT count(*), min(sequence), max(sequence), (SELECT value FROM counters) FROM events")[0]
        self.assertEqual((first, last, counted), ("1", count, count), "events have a gap")
        self.assertEqual(self.rows(f"SELECT job_id, string_agg(state, ' ') FROM events WHERE {ENDED} GROUP BY job_id HAVING count(*) <> 1"), [])
        self.assertEqual(self.rows(f"SELECT count(DISTINCT job_id) FROM events WHERE {ENDED}"), [(str(JOBS),)])
        self.assertEqual(self.rows(
            "SELECT j.id FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id"
            " AND CAST(convert_from(a.record, 'UTF8') AS json) ->> 'outcome' = 'SUCCEEDED' GROUP BY j.id HAVING count(a.job_id) <> 1"), [])
        self.assertEqual(self.rows("SELECT job_id, convert_from(record, 'UTF8') FROM attempts"
                                   " WHERE CAST(convert_from(record, 'UTF8') AS json) ->> 'outcome' = 'FAILED'"), [],
                         "a process that is lost, or a database that is away, costs no attempt")

    def check_files(self):
        """Content, and that nothing about a file has changed since its job's end was recorded: not even its name."""
        late = []
        for i, id, finished in self.rows("SELECT substring(encode(destination, 'escape') from '[0-9]+$'), id, finished_at FROM jobs"):
            path = self.files / f"fleet/{int(i) % 50}/{i}"
            self.assertEqual(path.read_bytes(), self.bodies[self.choice[int(i)]], f"{path} of {id}")
            changed = path.stat().st_ctime_ns
            if changed > int(finished):
                late.append((id, i, f"{(changed - int(finished)) / 1e9:.3f} s after its end"))
        self.assertEqual(late, [], "a destination was written to after its job's end")
        names = [path for path in self.files.rglob("*") if path.is_file()]
        self.assertEqual([path for path in names if path.name.startswith(".")], [], "temporary files are left")
        self.assertEqual(len(names), JOBS)

    def report(self, seconds, done):
        logs = "".join(replica.log.read_text(errors="replace") for replica in self.replicas)
        attempts = self.rows("SELECT count(*) FROM attempts")[0][0]
        fences = self.rows("SELECT sum(fence), max(fence) FROM jobs")[0]
        print(f"{JOBS} jobs, {dict(done)}, {seconds:.1f} s; attempts: {attempts}; sum and largest of fences: {fences};"
              f" rescues: {logs.count('jobs of a process that is gone')}", flush=True)

    def test_every_job_ends_once_and_is_left_alone(self):
        self.make_bodies()
        entries = self.make_entries()
        pieces = -(-JOBS // PIECE)
        orders = [(self.random.randrange(REPLICAS), self.random.random() < TWICE) for _ in range(pieces)]
        partial = Partial(self.files / "fleet", {str(i): len(self.bodies[body]) for i, body in enumerate(self.choice)})
        partial.start()
        self.addCleanup(partial.stop)
        submitter = threading.Thread(target=self.submit_all, args=(entries, orders), daemon=True)
        submitter.start()
        begun, done, allowed = time.monotonic(), collections.Counter(), 0

        for number, fault in enumerate(self.faults(), 1):
            # What was submitted before has ended for the most part; new work comes in beside the fault.
            wanted = min(JOBS, allowed * PIECE) * 0.7
            harness.wait_for(lambda: self.ended() >= wanted, f"{wanted:.0f} jobs have ended", 300)
            more = number * pieces // FAULTS - allowed
            self.allowed.release(more)
            allowed += more
            time.sleep(self.random.uniform(0.05, 0.6))  # The random moment itself.
            fault()
            done[fault.__name__] += 1
        submitter.join(300)
        self.assertFalse(submitter.is_alive(), "not every job was accepted")
        harness.wait_for(lambda: self.ended() >= JOBS, "all have ended", 600)
        for replica in self.replicas:
            self.assertEqual(replica.counts(), {"SUCCEEDED": JOBS})
        self.report(time.monotonic() - begun, done)
        # What a replica that was stopped has still in hand comes to its end.
        for replica in self.replicas:
            self.assertEqual(replica.stop(), 0)
        partial.stop()

        self.assertEqual(partial.found, set(), "part of a body was seen at its destination")
        self.assertGreater(partial.looks, 0)
        self.assertEqual(len(self.names), JOBS)
        self.assertEqual([names for names in self.names.values() if len(names) != 1], [], "one request_id, several jobs")
        self.check_log_of_events()
        self.check_files()


if __name__ == "__main__":
    harness.main()
