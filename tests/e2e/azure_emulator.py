"""Azurite, Microsoft's emulator of Azure Storage, for end-to-end tests, and a client that asks it directly."""
import base64
import email.utils
import hmac
import http.client
import os
import pathlib
import subprocess
import unittest
import urllib.parse

import harness

ACCOUNT = "acct1"
ACCOUNT_KEY = base64.b64encode(b"testkey-0123456789abcdef0123456789").decode()
VERSION = "2021-12-02"
COME_UP_SECONDS = 60  # On a machine that is busy; else it takes seconds.


class AzureEmulator:
    """Keeps blobs in memory, on loopback. Skips the tests where scripts/install-deps has not installed it."""

    def __init__(self, output_file):
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
        folder = cache / "fetchd" / "azurite-3.35.0"
        if not (folder / "installed").exists():
            raise unittest.SkipTest(f"Azurite is not in {folder}: run scripts/install-deps test")
        self.port = harness.free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        self.output = open(output_file, "wb")
        self.process = subprocess.Popen(
            ["node", folder / "node_modules/azurite/dist/src/blob/main.js", "--inMemoryPersistence", "--disableTelemetry",
             "--silent", "--blobHost", "127.0.0.1", "--blobPort", str(self.port)],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}, stdout=self.output, stderr=subprocess.STDOUT)
        harness.wait_for(lambda: harness.accepts_connections(self.port), "Azurite listens", COME_UP_SECONDS)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.output.close()

    def request(self, method, path, query=()):
        """Signed with the account's key. `path` is not encoded yet, `query` a sequence of pairs."""
        path = f"/{ACCOUNT}/{urllib.parse.quote(path)}"
        headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": VERSION}
        words = [method, *[""] * 11, *(f"{name}:{value}" for name, value in headers.items()),
                 f"/{ACCOUNT}{path}" + "".join(f"\n{name}:{value}" for name, value in sorted(query))]
        signature = hmac.digest(base64.b64decode(ACCOUNT_KEY), "\n".join(words).encode(), "sha256")
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"{path}?{urllib.parse.urlencode(query)}" if query else path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def make_container(self, container):
        status, _, body = self.request("PUT", container, [("restype", "container")])
        assert status == 201, body

    def get(self, container, key):
        """The blob; None when there is none."""
        status, _, body = self.request("GET", f"{container}/{key}")
        assert status in (200, 404), body
        return body if status == 200 else None

    def head(self, container, key):
        """Headers of the blob, by name in lower case."""
        status, headers, _ = self.request("HEAD", f"{container}/{key}")
        assert status == 200, status
        return {name.lower(): value for name, value in headers.items()}
