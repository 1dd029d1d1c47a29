#!/usr/bin/env python3
"""Batches: a manifest is counted, waited for, cancelled, retried and told apart as one, and a crash loses none of it."""
import csv
import hashlib
import io
import json
import signal
import subprocess

import harness

ENTRIES = 20_000 if harness.FULL else 2_000
BODIES = 40
MISSING, REFUSED, CORRUPT = 30, 20, 10


class BatchTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx(slow_rate="1k")
        self.server = self.start_server("limits.per_host=32")
        self.bodies = [harness.pattern(500 + 37 * i, i) for i in range(BODIES)]
        self.urls = [self.nginx.add(f"body{i}", body) for i, body in enumerate(self.bodies)]

    def batch(self, command, *arguments, code=0, **options):
        """One object a line of what `fetchctl batch ... -o json` prints."""
        run = self.server.ctl("batch", command, "-o", "json", *arguments, check=False, **options)
        self.assertEqual(run.returncode, code, run.stdout[-2000:] + run.stderr[-2000:])
        return [json.loads(line) for line in run.stdout.splitlines()]

    def get(self, name):
        return self.batch("describe", name)[0]

    def counts(self, batch):
        counts = {fate: int(tally["objects"]) for fate, tally in batch["counters"].items()}
        self.assertEqual(counts.pop("found"), sum(counts.values()), "each entry is in one of them")
        return {fate: count for fate, count in counts.items() if count}

    def mixed_manifest(self):
        """Mostly good entries, and failing ones of three kinds among them."""
        entries = [{"url": self.urls[i % BODIES], "destination": f"file:batch/{i % 50}/{i}"} for i in range(ENTRIES)]
        places = self.random.sample(range(ENTRIES), MISSING + REFUSED + CORRUPT)
        for i in places[:MISSING]:
            entries[i]["url"] = self.nginx.url(f"later{i}")
        for i in places[MISSING:MISSING + REFUSED]:
            entries[i]["url"] = f"ftp://127.0.0.1/{i}"
        for i in places[MISSING + REFUSED:]:
            entries[i]["sha256"] = "0" * 64
        return places, harness.write_manifest(self.folder / "manifest", entries)

    def test_a_manifest_with_failures_of_three_kinds_is_counted_told_apart_and_retried(self):
        places, manifest = self.mixed_manifest()
        good = ENTRIES - MISSING - REFUSED - CORRUPT

        batch = self.batch("create", "-i", manifest, "--title", "mixed", "--label", "run=1", "--wait", code=1, timeout=300)[0]

        self.assertEqual(batch["state"], "FAILED")
        self.assertEqual(self.counts(batch), {"succeeded": good, "failed": MISSING + REFUSED + CORRUPT})
        expected = {i: len(self.bodies[i % BODIES]) for i in range(ENTRIES) if i not in places}
        self.assertEqual(int(batch["counters"]["succeeded"]["bytes"]), sum(expected.values()))
        groups = {(group["code"], group["reason"], group["http_status"]): group for group in batch["errors"]}
        self.assertEqual({key: int(group["count"]) for key, group in groups.items()},
                         {(5, "HTTP_STATUS", 404): MISSING, (3, "", 0): REFUSED, (15, "DIGEST_MISMATCH", 0): CORRUPT})
        self.assertEqual({len(group["samples"]) for group in groups.values()}, {5})
        refused = sorted(i + 1 for i in places[MISSING:MISSING + REFUSED])
        self.assertEqual([int(sample["entry"]) for sample in groups[3, "", 0]["samples"]], refused[:5])

        succeeded = self.batch("results", batch["name"], "--succeeded")
        failed = self.batch("results", batch["name"], "--failed")
        self.assertEqual(len(succeeded), good)
        self.assertEqual({job["state"] for job in succeeded}, {"SUCCEEDED"})
        self.assertEqual({job["labels"]["run"] for job in succeeded}, {"1"})
        self.assertEqual(sorted(int(entry["entry"]) for entry in failed if "entry" in entry), refused)
        self.assertEqual(len(failed), MISSING + REFUSED + CORRUPT)
        again = self.server.ctl("batch", "results", batch["name"], "--failed", "-o", "csv").stdout
        rows = list(csv.DictReader(io.StringIO(again, newline="")))
        self.assertEqual(sorted(int(row["entry"]) for row in rows), sorted(i + 1 for i in places))

        for i in places[:MISSING]:
            self.nginx.add(f"later{i}", b"mended")
        batch = self.batch("retry", batch["name"], "--wait", code=1, timeout=120)[0]
        self.assertEqual(self.counts(batch), {"succeeded": good + MISSING, "failed": REFUSED + CORRUPT})

        # What still fails, mended and fed again, is a batch of its own.
        mended = self.folder / "again.csv"
        rows = [row for row in rows if row["url"].startswith("ftp:")]
        mended.write_text("url,destination,error\n" + "".join(
            f"{self.urls[0]},{row['destination']},{row['error'].splitlines()[0].replace(',', ';').replace(chr(34), '')}\n" for row in rows))
        second = self.batch("create", "-i", mended, "--wait")[0]
        self.assertEqual(self.counts(second), {"succeeded": REFUSED})

        self.server.ctl("batch", "delete", batch["name"])
        harness.wait_for(lambda: self.server.ctl("batch", "describe", batch["name"], check=False).returncode == 4,
                         "the batch is deleted")
        self.assertEqual(self.server.counts(), {"SUCCEEDED": REFUSED})
        self.assertEqual(len(self.server.files()), good + MISSING + REFUSED, "what was fetched stays")

    def test_a_batch_is_cancelled_as_one_and_goes_on_when_it_is_retried(self):
        jobs = 400
        self.nginx.add("slowly", harness.pattern(100_000))
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": self.nginx.url(f"slow/slowly?{i}"), "destination": f"file:slow/{i}"} for i in range(jobs)))
        name = self.batch("create", "-i", manifest)[0]["name"]
        harness.wait_for(lambda: self.counts(self.get(name)).get("running"), "some run")
        waiter = subprocess.Popen([harness.binaries["fetchctl"], "--server", self.server.address, "batch", "wait", name],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(waiter.kill)

        batch = self.batch("cancel", name, "--wait", code=1)[0]

        self.assertEqual(batch["state"], "CANCELLED")
        self.assertEqual(self.counts(batch), {"cancelled": jobs})
        self.assertEqual(waiter.wait(30), 1)
        self.assertEqual(self.server.counts(), {"CANCELLED": jobs})
        harness.wait_for(lambda: not self.server.files(), "nothing of them is left")
        run = self.server.ctl("batch", "retry", name, "--cancelled", "-o", "name")
        self.assertEqual(run.stdout, name + "\n")
        harness.wait_for(lambda: self.counts(self.get(name)).get("running"), "they run again")
        self.assertEqual(self.get(name)["state"], "RUNNING")

    def test_an_upload_that_is_cut_off_by_kill_9_of_both_sides_is_continued(self):
        entries = ENTRIES
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": self.urls[i % BODIES], "destination": "discard:"} if i % 100 else {"url": "ftp://127.0.0.1/x"}
            for i in range(entries)))
        upload = subprocess.Popen([harness.binaries["fetchctl"], "--server", self.server.address, "batch", "create", "-i", manifest],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(upload.kill)

        def begun():
            found = self.batch("list")
            return found and int(found[0]["counters"]["found"]["objects"]) > 0 and found[0]["name"]
        name = harness.wait_for(begun, "entries have arrived")
        upload.send_signal(signal.SIGKILL)
        upload.wait()
        self.server.kill()
        self.server.start()
        cut_off = self.get(name)
        found = int(cut_off["counters"]["found"]["objects"])
        print(f"cut off after {found} of {entries} entries", flush=True)
        self.assertEqual(cut_off["state"], "OPEN")
        self.assertLess(found, entries)
        self.counts(cut_off)

        resumed = self.server.ctl("batch", "create", "-i", manifest, "--resume", name, "-o", "json", check=False, timeout=300)
        batch = self.batch("wait", name, code=1, timeout=300)[0]

        self.assertEqual(resumed.returncode, 2, resumed.stderr[-2000:])  # Some URLs are none.
        self.assertEqual(self.counts(batch), {"succeeded": entries - entries // 100, "failed": entries // 100})
        numbers = [int(job["batch_entry"]) for job in self.server.json("list", "--all", "--batch", name)]
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertEqual(len(numbers), entries - entries // 100)
        late = self.folder / "late"
        late.write_text(f"\n{self.urls[0]}\n" * entries)
        refused = self.server.ctl("batch", "create", "-i", late, "--resume", name, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(self.counts(self.get(name)), self.counts(batch), "a sealed batch takes nothing more")

    def test_a_cancellation_that_kill_9_cuts_off_goes_on_after_the_restart(self):
        jobs = ENTRIES
        manifest = harness.write_manifest(self.folder / "manifest", (
            {"url": self.nginx.url(f"slow/body0?{i}"), "destination": "discard:"} for i in range(jobs)))
        name = self.batch("create", "-i", manifest, timeout=300)[0]["name"]

        self.server.ctl("batch", "cancel", name)
        self.server.kill()
        self.server.start()
        batch = self.batch("wait", name, code=1)[0]

        self.assertEqual(batch["state"], "CANCELLED")
        counts = self.counts(batch)
        self.assertEqual(counts.pop("cancelled") + counts.pop("succeeded", 0), jobs)
        self.assertEqual(counts, {})

    def test_csv_and_metalink_are_manifests_of_submit_and_batch(self):
        sha256 = hashlib.sha256(self.bodies[1]).hexdigest()
        metalink = self.folder / "a.meta4"
        metalink.write_text(f"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="linked/one">
  <size>{len(self.bodies[1])}</size><hash type="sha-256">{sha256}</hash>
  <url priority="2">{self.urls[1]}</url><url priority="1">{self.nginx.url("status/503")}</url>
</file></metalink>""")
        table = self.folder / "list.csv"
        table.write_text(f'url,destination,label.kind\r\n{self.urls[2]},"file:tabled/a,b",csv\r\n')

        batch = self.batch("create", "-i", metalink, "--wait")[0]
        jobs = self.server.json("submit", "-i", table, "--wait")

        self.assertEqual(self.counts(batch), {"succeeded": 1})
        self.assertEqual((self.server.data / "files/linked/one").read_bytes(), self.bodies[1])
        self.assertEqual((self.server.data / "files/tabled/a,b").read_bytes(), self.bodies[2])
        self.assertEqual(jobs[0]["labels"], {"kind": "csv"})

    def test_what_is_there_already_is_skipped(self):
        manifest = self.folder / "list"
        manifest.write_text("".join(f"{url}\tfile:kept/{i}\n" for i, url in enumerate(self.urls)))
        first = self.batch("create", "-i", manifest, "--overwrite", "if-different", "--wait")[0]
        second = self.batch("create", "-i", manifest, "--overwrite", "if-different", "--wait")[0]

        self.assertEqual(self.counts(first), {"succeeded": BODIES})
        self.assertEqual(self.counts(second), {"skipped": BODIES})

    def test_what_is_wrong_is_said_with_its_line_and_makes_nothing(self):
        cases = {
            "csv": ("url,siz\nhttp://a/\n", ":1: unknown column"),
            "lines": ("http://a/\nhttp://b/ c\n", ":2: a space in the URL"),
            "jsonl": ('{"url": "http://a/"}\n{"url": 5}\n', ":2: \"url\" must be a string"),
            "metalink": ("<!DOCTYPE a><metalink/>", ":1: a document type declaration"),
        }
        for form, (text, message) in cases.items():
            with self.subTest(form):
                path = self.folder / form
                path.write_text(text)
                run = self.server.ctl("batch", "create", "-i", path, "--format", form, check=False)
                self.assertEqual(run.returncode, 2)
                self.assertIn(message, run.stderr)
        self.assertEqual(self.batch("list"), [])
        unknown = "batches/01h2xcejqtf2nbrexx3vqjhp41"
        for command in ("describe", "wait", "cancel", "retry", "delete", "results"):
            self.assertEqual(self.server.ctl("batch", command, unknown, check=False).returncode, 4, command)


if __name__ == "__main__":
    harness.main()
