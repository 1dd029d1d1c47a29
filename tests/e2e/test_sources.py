#!/usr/bin/env python3
"""Objects in a real store as what is fetched: like any URL, and only where the operator says so."""
import hashlib

import harness
from objects_case import BUCKET, ObjectsCase

MIB = 1 << 20
NOT_FOUND = 5  # google.rpc.Code


class SourcesTest(ObjectsCase):
    def store(self, server, origin, key):
        """Makes an object of what the origin has."""
        self.assert_succeeds(server, self.submit(server, origin.url(), f"s3://{BUCKET}/{key}"))

    def test_an_object_is_fetched_like_any_url(self):
        body = harness.pattern(12 * MIB)
        origin = self.start_origin(body)
        server = self.start_with_store(origin, "stores.lab.sources=true")
        key = self.key("a b?c/\u00fc+%41")
        self.store(server, origin, key)

        for source in (f"s3://{BUCKET}/{key}", f"s3+lab://{BUCKET}/{key}"):
            job = self.assert_succeeds(server, self.submit(server, source, "file:copies/{basename}"))
            self.assertTrue(job["result"]["destination"].endswith("/copies/\u00fc+%41"), job)
            self.assertEqual(harness.sha256(server.data / "files" / "copies" / "\u00fc+%41"), hashlib.sha256(body).hexdigest())
        self.assertEqual(server.ctl("get", source, "--range", "100-199", "-o", "-", text=False).stdout, body[100:200])

    def test_an_object_moves_from_key_to_key(self):
        body = harness.pattern(12 * MIB)
        origin = self.start_origin(body)
        server = self.start_with_store(origin, "stores.lab.sources=true")
        self.store(server, origin, self.key("from"))

        self.assert_succeeds(server, self.submit(server, f"s3://{BUCKET}/{self.key('from')}", f"s3://{BUCKET}/{self.key('to')}"))

        self.assert_stored(self.key("to"), body)

    def test_copies_within_a_store_do_not_wait_for_each_other(self):
        body = harness.pattern(12 * MIB)
        origin = self.start_origin(body)
        server = self.start_with_store(origin, "stores.lab.sources=true", "limits.per_host=2")
        self.store(server, origin, self.key("from"))

        names = [self.submit(server, f"s3://{BUCKET}/{self.key('from')}", f"s3://{BUCKET}/{self.key(str(i))}") for i in range(6)]

        for name in names:
            self.assertEqual(len(self.assert_succeeds(server, name)["attempts"]), 1)
        self.assert_stored(self.key("5"), body)

    def test_kill_9_while_an_object_is_fetched_costs_little(self):
        body = harness.pattern(40 * MIB)
        origin = self.start_origin(body)
        server = self.start_with_store(origin, "stores.lab.sources=true")
        self.store(server, origin, self.key())
        name = self.submit(server, f"s3://{BUCKET}/{self.key()}", "file:copy", "--limit-rate", "4MiB")
        self.wait_until_received(server, name, 28 * MIB)

        server.kill()
        server.start()
        job = self.assert_succeeds(server, name)

        self.assertEqual(harness.sha256(server.data / "files" / "copy"), hashlib.sha256(body).hexdigest())
        self.assertGreater(int(job["attempts"][-1]["resumed_from_bytes"]), 0)

    def test_an_object_that_is_not_there_is_said_by_the_stores_own_name(self):
        server = self.start_with_store(self.start_origin(b"x"), "stores.lab.sources=true")

        name = self.submit(server, f"s3://{BUCKET}/{self.key()}", "file:copy")

        self.assert_fails(server, name, "NoSuchKey")
        self.assertEqual(server.job(name)["error"]["code"], NOT_FOUND)

    def test_nothing_is_fetched_from_a_store_that_does_not_say_so(self):
        server = self.start_with_store(self.start_origin(b"x"))
        url = f"s3://{BUCKET}/{self.key()}"

        for command in ("submit", "check", "get"):
            refused = server.ctl(command, url, check=False)
            self.assertEqual(refused.returncode, 5, command)
            self.assertIn("stores.lab.sources", refused.stdout + refused.stderr)

    def test_neither_as_a_mirror_nor_in_a_manifest(self):
        origin = self.start_origin(b"x")
        server = self.start_with_store(origin)
        url = f"s3://{BUCKET}/{self.key()}"

        mirrors = server.ctl("submit", "--input", "-", check=False, input=f"url\n{origin.url()} {url}\n")
        self.assertEqual(mirrors.returncode, 5, mirrors.stderr)
        self.assertIn("stores.lab.sources", mirrors.stderr)
        self.assertEqual(server.counts(), {})
        listed = server.ctl("submit", "--input", "-", check=False, input=f"{origin.url()}\n{url}\n")
        self.assertIn("stores.lab.sources", listed.stdout + listed.stderr)
        self.assertEqual(sum(server.counts().values()), 1)


if __name__ == "__main__":
    harness.main()
