#!/usr/bin/env python3
"""Bodies into Azure Blob Storage: whole or not there, whatever happens on the way."""
import hashlib
import pathlib
import shutil
import tempfile

import harness
from azure_emulator import ACCOUNT, ACCOUNT_KEY, AzureEmulator
from body_origin import Origin

MIB = 1 << 20
CONTAINER = "bodies"


class AzureTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="fetchd-e2e-azure-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.azure = AzureEmulator(cls.shared / "azurite.out")
        cls.addClassCleanup(cls.azure.stop)
        cls.azure.make_container(CONTAINER)
        cls.account_key = cls.shared / "key"
        cls.account_key.write_text(ACCOUNT_KEY + "\n")
        cls.wrong_key = cls.shared / "wrong"
        cls.wrong_key.write_text("aHVudGVyMmh1bnRlcjI=\n")

    def start_origin(self, body, **options):
        origin = Origin(body, **options)
        self.addCleanup(origin.stop)
        return origin

    def start_with_store(self, origin, *more, account_key=None):
        """Callers reach the origin and nothing else on loopback."""
        lab = {"type": "azblob", "endpoint": self.azure.endpoint, "account": ACCOUNT, "checksum": "md5", "part_bytes": "5MiB",
               "account_key_file": account_key or self.account_key}
        return self.start_server(f'egress.allow=["127.0.0.1/32:{origin.port}"]', "segments.max_connections=1",
                                 *(f"stores.lab.{key}={value}" for key, value in lab.items()), *more, allow_loopback=False)

    def key(self, name="blob"):
        return f"{self.id().rpartition('.')[2]}/{name}"

    def submit(self, server, url, key, *options):
        return server.submit(url, options=("--to", f"azblob://{CONTAINER}/{key}", *options))[0]

    def assert_succeeds(self, server, name):
        server.ctl("watch", name, check=False)
        job = server.job(name)
        self.assertEqual(job["state"], "SUCCEEDED", job)
        return job

    def assert_fails(self, server, name, reason):
        """And the key is in none of what is said about it."""
        server.ctl("watch", name, check=False)
        job = server.job(name)
        self.assertEqual(job["state"], "FAILED", job)
        self.assertIn(reason, job["error"]["message"])
        for secret in (ACCOUNT_KEY, "aHVudGVyM", "hunter2"):
            self.assertNotIn(secret, str(job))
            self.assertNotIn(secret, server.log.read_text(errors="replace"))

    def assert_stored(self, key, body):
        stored = self.azure.get(CONTAINER, key)
        self.assertIsNotNone(stored, f"{key} is not there")
        self.assertEqual(hashlib.sha256(stored).hexdigest(), hashlib.sha256(body).hexdigest())

    def test_a_blob_is_fetched_like_any_url(self):
        body = harness.pattern(12 * MIB)
        origin = self.start_origin(body)
        server = self.start_with_store(origin, "stores.lab.sources=true")
        key = self.key("from \u00fc")
        self.assert_succeeds(server, self.submit(server, origin.url(), key))

        self.assert_succeeds(server, self.submit(server, f"azblob://{CONTAINER}/{key}", self.key("to")))

        self.assert_stored(self.key("to"), body)
        source = f"azblob+lab://{CONTAINER}/{self.key('to')}"
        self.assertEqual(server.ctl("get", source, "--range", "100-199", "-o", "-", text=False).stdout, body[100:200])

    def test_a_small_body_is_stored_with_its_attributes_and_can_be_read_back(self):
        body = harness.pattern(70_000)
        origin = self.start_origin(body)
        server = self.start_with_store(origin)
        key = self.key("a b/\u00fc+1")

        name = self.submit(server, origin.url(), key, "--metadata", "job_1=J 1")
        self.assert_succeeds(server, name)

        self.assert_stored(key, body)
        self.assertEqual(self.azure.head(CONTAINER, key)["x-ms-meta-job_1"], "J 1")
        self.assertEqual(server.ctl("read", name, "-o", "-", text=False).stdout, body)

    def test_large_bodies_are_stored_in_blocks(self):
        body = harness.pattern(22 * MIB)
        for path in ("body", "chunked"):
            with self.subTest(path=path):
                origin = self.start_origin(body)
                server = self.start_with_store(origin)

                self.assert_succeeds(server, self.submit(server, origin.url(path), self.key(path)))

                self.assert_stored(self.key(path), body)
                self.assertEqual(origin.sent, len(body))

    def test_a_blob_that_must_not_be_there_is_made_once(self):
        for size in (1000, 12 * MIB):
            with self.subTest(size=size):
                body = harness.pattern(size)
                origin = self.start_origin(body)
                server = self.start_with_store(origin)
                key = self.key(str(size))

                self.assert_succeeds(server, self.submit(server, origin.url("a"), key, "--overwrite", "never"))
                origin.body = body[::-1]
                again = self.submit(server, origin.url("b"), key, "--overwrite", "never")

                self.assert_fails(server, again, "is there already")
                self.assert_stored(key, body)

    def test_a_body_that_is_there_already_is_left_alone(self):
        origin = self.start_origin(harness.pattern(1000))
        server = self.start_with_store(origin)
        etags = []

        for path in ("a", "b"):
            self.assert_succeeds(server, self.submit(server, origin.url(path), self.key(), "--overwrite", "if-different"))
            etags.append(self.azure.head(CONTAINER, self.key())["etag"])

        self.assertEqual(etags[0], etags[1])

    def test_what_azure_does_not_take_is_said(self):
        origin = self.start_origin(b"x")
        server = self.start_with_store(origin)

        self.assert_fails(server, self.submit(server, origin.url("a"), self.key(), "--metadata", "job-1=x"),
                          "Azure takes names of letters")
        self.assert_fails(server, self.submit(server, origin.url("b"), "a/../b"), "may end in '.'")

    def test_a_wrong_key_is_said_and_not_repeated(self):
        origin = self.start_origin(harness.pattern(1000))
        server = self.start_with_store(origin, account_key=self.wrong_key)

        self.assert_fails(server, self.submit(server, origin.url(), self.key()), "AuthorizationFailure")

    def test_a_container_that_is_not_there_is_said(self):
        for size in (1000, 12 * MIB):
            with self.subTest(size=size):
                origin = self.start_origin(harness.pattern(size))
                server = self.start_with_store(origin)

                name = server.submit(origin.url(), options=("--to", "azblob://nowhere/blob"))[0]

                self.assert_fails(server, name, "ContainerNotFound")

    def test_cancel_leaves_no_blob(self):
        origin = self.start_origin(harness.pattern(40 * MIB), bytes_per_sec=8 * MIB)
        server = self.start_with_store(origin)
        name = self.submit(server, origin.url(), self.key())
        self.wait_until_received(server, name, 12 * MIB)

        server.ctl("cancel", name)
        server.ctl("watch", name, check=False)

        self.assertEqual(server.job(name)["state"], "CANCELLED")
        self.assertIsNone(self.azure.get(CONTAINER, self.key()))

    def test_kill_9_in_the_middle_costs_little_and_harms_nothing(self):
        size, speed = 64 * MIB, 8 * MIB
        body = harness.pattern(size)
        origin = self.start_origin(body, bytes_per_sec=speed)
        server = self.start_with_store(origin)
        name = self.submit(server, origin.url(), self.key())
        self.wait_until_received(server, name, 52 * MIB)

        server.kill()
        self.assertIsNone(self.azure.get(CONTAINER, self.key()))
        server.start()
        job = self.assert_succeeds(server, name)

        self.assert_stored(self.key(), body)
        self.assertGreater(int(job["attempts"][-1]["resumed_from_bytes"]), 0)
        # What came since the last checkpoint (5 s), and the part that was on its way then; with room for what sockets held.
        self.assertLess(origin.sent - size, 5 * speed + 2 * 5 * MIB)

    def wait_until_received(self, server, name, size):
        harness.wait_for(lambda: int(server.job(name).get("progress", {}).get("received_bytes", 0)) > size,
                         f"{size} bytes are here")


if __name__ == "__main__":
    harness.main()
