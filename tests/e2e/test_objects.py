#!/usr/bin/env python3
"""Bodies into a real store of objects: whole or not there, whatever happens on the way, and never a way in for callers."""
import hashlib
import pathlib
import shutil
import tempfile

import harness
from object_gateway import SECRET_KEY
from objects_case import BUCKET, ObjectsCase

MIB = 1 << 20
RESOURCE_EXHAUSTED = 8


class ObjectsTest(ObjectsCase):
    def test_a_small_body_is_stored_and_can_be_read_back(self):
        body = harness.pattern(70_000)
        origin = self.start_origin(body)
        server = self.start_with_store(origin)
        key = self.key("a b/\u00fc+1")

        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{key}", "--sha256", hashlib.sha256(body).hexdigest())
        job = self.assert_succeeds(server, name)

        self.assertEqual(int(job["result"]["size_bytes"]), len(body))
        self.assert_stored(key, body)
        self.assertEqual(server.ctl("read", name, "-o", "-", text=False).stdout, body)

    def test_what_a_job_says_of_its_object_is_kept_with_it(self):
        for size in (1000, 12 * MIB):
            with self.subTest(size=size):
                origin = self.start_origin(harness.pattern(size))
                server = self.start_with_store(origin, "stores.lab.cache_control=no-store")
                key = self.key(str(size))

                self.assert_succeeds(server, self.submit(server, origin.url(), f"s3://{BUCKET}/{key}", "--content-type", "text/x-test",
                                                         "--metadata", "team=blue green", "--tag", "kind=a/b c"))

                kept = self.gateway.head(BUCKET, key)
                self.assertEqual(kept["content-type"], "text/x-test")
                self.assertEqual(kept["cache-control"], "no-store")
                self.assertEqual(kept["x-amz-meta-team"], "blue green")
                if size < 5 * MIB:  # This store drops the tags of what comes in parts.
                    _, _, tags = self.gateway.request("GET", f"/{BUCKET}/{key}", "tagging=")
                    self.assertIn(b"<Key>kind</Key><Value>a/b c</Value>", tags)

    def test_an_empty_body_is_an_object(self):
        origin = self.start_origin(b"")
        server = self.start_with_store(origin)

        self.assert_succeeds(server, self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}"))

        self.assert_stored(self.key(), b"")

    def test_a_large_body_is_stored_in_parts(self):
        body = harness.pattern(30 * MIB)
        origin = self.start_origin(body)
        server = self.start_with_store(origin)

        self.assert_succeeds(server, self.submit(server, origin.url(), f"s3+lab://{BUCKET}/{self.key()}"))

        self.assert_stored(self.key(), body)
        self.assertRegex(self.gateway.head(BUCKET, self.key())["etag"], r'^"[0-9a-f]{32}-6"$')
        self.assertEqual(origin.sent, len(body))

    def test_bodies_that_hold_all_connections_find_their_way_to_the_store(self):
        body = harness.pattern(24 * MIB)  # More than is held of it here.
        origin = self.start_origin(body)
        server = self.start_with_store(origin, "limits.connections=2", "limits.transfers=2", "stores.lab.parts_in_flight=1")

        for number in range(4):
            self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key(number)}")
        counts = server.wait_until_ended(4)

        self.assertEqual(counts, {"SUCCEEDED": 4})
        for number in range(4):
            self.assert_stored(self.key(number), body)

    def test_a_body_of_unknown_length_is_stored(self):
        for size in (40_000, 12 * MIB + 1):
            with self.subTest(size=size):
                body = harness.pattern(size)
                origin = self.start_origin(body)
                server = self.start_with_store(origin)
                key = self.key(str(size))

                self.assert_succeeds(server, self.submit(server, origin.url("chunked"), f"s3://{BUCKET}/{key}"))

                self.assert_stored(key, body)

    def test_a_digest_that_is_wrong_leaves_no_object(self):
        origin = self.start_origin(harness.pattern(12 * MIB))
        server = self.start_with_store(origin)

        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}", "--sha256", "0" * 64)

        self.assertEqual(server.ctl("watch", name, check=False).returncode, 1)
        self.assertIsNone(self.gateway.get(BUCKET, self.key()))
        harness.wait_for(lambda: not self.gateway.uploads(BUCKET), "the upload is gone")

    def test_a_wrong_secret_is_said_by_the_stores_own_name(self):
        origin = self.start_origin(harness.pattern(1000))
        server = self.start_with_store(origin, secret=self.wrong_secret)

        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}")

        self.assert_fails(server, name, "SignatureDoesNotMatch", code=5)
        self.assertIsNone(self.gateway.get(BUCKET, self.key()))

    def test_a_bucket_that_is_not_there_is_said(self):
        origin = self.start_origin(harness.pattern(1000))
        server = self.start_with_store(origin)

        name = self.submit(server, origin.url(), "s3://nowhere/object")

        self.assert_fails(server, name, "NoSuchBucket")

    def test_an_object_that_must_not_be_there_is_made_once(self):
        for size in (1000, 12 * MIB):
            for conditions in ("none", "put"):
                with self.subTest(size=size, conditions=conditions):
                    body = harness.pattern(size)
                    origin = self.start_origin(body)
                    server = self.start_with_store(origin, f"stores.lab.conditional_writes={conditions}")
                    key = self.key(f"{size}-{conditions}")
                    place = f"s3://{BUCKET}/{key}"

                    self.assert_succeeds(server, self.submit(server, origin.url("a"), place, "--overwrite", "never"))
                    origin.body = body[::-1]
                    again = self.submit(server, origin.url("b"), place, "--overwrite", "never")

                    self.assert_fails(server, again, "is there already")
                    self.assert_stored(key, body)

    def test_a_store_that_is_not_configured_is_refused(self):
        origin = self.start_origin(b"x")
        server = self.start_with_store(origin, "stores.lab.buckets=[others]")

        for destination in (f"s3+none://{BUCKET}/a", f"s3://{BUCKET}/a", f"gs://{BUCKET}/a"):
            refused = server.ctl("submit", origin.url(), "--to", destination, check=False)
            self.assertEqual(refused.returncode, 2, f"{destination}: {refused.stderr}")

    def test_cancel_leaves_neither_object_nor_upload(self):
        origin = self.start_origin(harness.pattern(40 * MIB), bytes_per_sec=4 * MIB)
        server = self.start_with_store(origin)
        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}")
        harness.wait_for(lambda: self.gateway.uploads(BUCKET) == [self.key()], "the upload has begun")

        server.ctl("cancel", name)

        harness.wait_for(lambda: not self.gateway.uploads(BUCKET), "the upload is gone")
        self.assertIsNone(self.gateway.get(BUCKET, self.key()))

    def test_an_upload_that_could_not_be_ended_is_found_at_the_next_start(self):
        origin = self.start_origin(harness.pattern(40 * MIB), bytes_per_sec=4 * MIB)
        secret = pathlib.Path(shutil.copy(self.secret, pathlib.Path(tempfile.mkdtemp(prefix="fetchd-e2e-")) / "secret"))
        self.addCleanup(shutil.rmtree, secret.parent)
        server = self.start_with_store(origin, secret=secret)
        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}")
        harness.wait_for(lambda: self.gateway.uploads(BUCKET) == [self.key()], "the upload has begun")

        server.kill()
        secret.write_text("wrong")
        server.start()
        server.ctl("watch", name, check=False)
        self.assertEqual(server.job(name)["state"], "FAILED")
        self.assertEqual(self.gateway.uploads(BUCKET), [self.key()])
        self.assertEqual(server.stop(), 0)
        secret.write_text(SECRET_KEY)
        server.start()

        harness.wait_for(lambda: not self.gateway.uploads(BUCKET), "the upload is gone")

    def test_kill_9_in_the_middle_costs_little_and_harms_nothing(self):
        size, speed = 64 * MIB, 4 * MIB
        body = harness.pattern(size)
        origin = self.start_origin(body, bytes_per_sec=speed)
        server = self.start_with_store(origin)
        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}")
        self.wait_until_received(server, name, 48 * MIB)

        server.kill()
        self.assertIsNone(self.gateway.get(BUCKET, self.key()))
        server.start()
        job = self.assert_succeeds(server, name)

        self.assert_stored(self.key(), body)
        self.assertGreater(int(job["attempts"][-1]["resumed_from_bytes"]), 0)
        # What came since the last checkpoint (5 s), and the part that was on its way then; with room for what sockets held.
        self.assertLess(origin.sent - size, 5 * speed + 2 * 5 * MIB)

    def test_an_origin_that_is_slow_on_each_connection_is_read_over_several(self):
        body = harness.pattern(80 * MIB + 1)
        origin = self.start_origin(body, bytes_per_sec=4 * MIB)
        server = self.start_with_store(origin, "segments.min_bytes=10MiB", connections=4)

        job = self.assert_succeeds(server, self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}",
                                                       "--sha256", hashlib.sha256(body).hexdigest()))

        self.assert_stored(self.key(), body)
        self.assertGreater(origin.most_open, 1)
        self.assertGreater(int(job["attempts"][0]["segments"]["pieces"]), 4)
        self.assertLess(origin.sent - len(body), 6 * MIB, "each byte once, but for what sockets held of the first connection")

    def test_kill_9_of_one_that_is_read_over_several_connections_harms_nothing(self):
        body = harness.pattern(80 * MIB)
        origin = self.start_origin(body, bytes_per_sec=4 * MIB)
        server = self.start_with_store(origin, "segments.min_bytes=10MiB", connections=4)
        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}")
        self.wait_until_received(server, name, 48 * MIB)  # Longer than it takes to the first checkpoint.
        self.assertGreater(origin.most_open, 1)

        server.kill()
        self.assertIsNone(self.gateway.get(BUCKET, self.key()))
        server.start()
        job = self.assert_succeeds(server, name)

        self.assert_stored(self.key(), body)
        self.assertGreater(int(job["attempts"][-1]["resumed_from_bytes"]), 0)

    def test_a_store_that_is_full_says_so_and_keeps_nothing(self):
        self.gateway.make_bucket("full")
        self.gateway.limit("full", 8 * MIB)
        for size in (9 * MIB, 30 * MIB):  # In one request, and in parts of which the first still fits.
            with self.subTest(size=size):
                origin = self.start_origin(harness.pattern(size))
                server = self.start_with_store(origin, "stores.lab.part_bytes=" + ("16MiB" if size < 16 * MIB else "5MiB"))

                name = self.submit(server, origin.url(), f"s3://full/{size}")

                self.assert_fails(server, name, "QuotaExceeded")
                error = server.job(name)["error"]
                self.assertEqual(error["code"], RESOURCE_EXHAUSTED, error)
                reason = error["details"][0]["metadata"]
                self.assertEqual((reason["code"], reason["http_status"]), ("QuotaExceeded", "403"))
                self.assertRegex(reason["request_id"], "^tx")
                self.assertIn(reason["request_id"], error["message"])
                self.assertIsNone(self.gateway.get("full", size))
                harness.wait_for(lambda: not self.gateway.uploads("full"), "no upload is left")

    def test_a_stop_in_the_middle_ends_well_and_the_next_start_goes_on(self):
        body = harness.pattern(24 * MIB)
        origin = self.start_origin(body, bytes_per_sec=4 * MIB)
        server = self.start_with_store(origin, "shutdown.grace=0s")
        name = self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}")
        self.wait_until_received(server, name, 12 * MIB)

        self.assertEqual(server.stop(), 0)
        self.assertIsNone(self.gateway.get(BUCKET, self.key()))
        server.start()
        job = self.assert_succeeds(server, name)

        self.assert_stored(self.key(), body)
        self.assertGreater(int(job["attempts"][-1]["resumed_from_bytes"]), 0)

    def test_callers_do_not_get_at_the_store(self):
        origin = self.start_origin(b"x")
        server = self.start_with_store(origin)

        for url in (f"{self.gateway.endpoint}/{BUCKET}/object", f"http://localhost:{self.gateway.port}/"):
            self.assertEqual(server.ctl("submit", url, check=False).returncode, 5, url)
            self.assertEqual(server.ctl("check", url, check=False).returncode, 5, url)


if __name__ == "__main__":
    harness.main()
