#!/usr/bin/env python3
"""A large body goes through in little memory, whichever way it leaves."""
import subprocess

import harness

SIZE = (1 << 30) if harness.FULL else (256 << 20)
ALLOWED_ABOVE_IDLE = 64 << 20


class MemoryTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        body = self.nginx.root / "large"
        with open(body, "wb") as file:
            for i in range(SIZE >> 20):
                file.write(harness.pattern(1 << 20, i))
        self.url, self.digest = self.nginx.url("large"), harness.sha256(body)
        self.server = self.start_server()
        self.idle = harness.peak_memory(self.server.process.pid)

    def assert_flat(self):
        above = harness.peak_memory(self.server.process.pid) - self.idle
        print(f"{SIZE >> 20} MiB: peak {above / 2**20:.1f} MiB above idle ({self.idle / 2**20:.1f} MiB)", flush=True)
        self.assertLess(above, ALLOWED_ABOVE_IDLE)

    def test_to_a_file(self):
        self.server.ctl("submit", "--wait", "--to", "file:large", "--sha256", self.digest, self.url, timeout=300)

        self.assertEqual(harness.sha256(self.server.data / "files/large"), self.digest)
        self.assert_flat()

    def test_to_nowhere(self):
        self.server.ctl("submit", "--wait", "--to", "discard:", "--sha256", self.digest, self.url, timeout=300)

        self.assertEqual(self.server.counts(), {"SUCCEEDED": 1})
        self.assert_flat()

    def test_over_the_call(self):
        self.server.ctl("get", self.url, "-o", "/dev/null", timeout=300)

        self.assert_flat()

    def test_over_the_call_bytes_are_right(self):
        target = self.folder / "got"

        self.server.ctl("get", self.url, "-o", target, timeout=300)

        self.assertEqual(harness.sha256(target), self.digest)

    def test_a_reader_that_does_not_read_holds_back_the_origin(self):
        reader = subprocess.Popen([harness.binaries["fetchctl"], "--server", self.server.address, "get", self.url, "-o", "-"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.assertEqual(len(reader.stdout.read(1 << 20)), 1 << 20)

        received = -1
        def stalled():
            nonlocal received
            before, received = received, int(self.server.json("status")[0].get("received_bytes", 0))
            return received == before and received > 0
        harness.wait_for(stalled, "the server stops receiving")

        self.assertLess(received, 40 << 20)
        self.assert_flat()


if __name__ == "__main__":
    harness.main()
