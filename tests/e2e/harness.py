"""What the end-to-end tests share: the real fetchd, the real fetchctl and nginx, on loopback ports of their own.

A test file ends with harness.main(); it is run as: test_x.py --fetchd PATH --fetchctl PATH [unittest options]
FETCHD_E2E_FULL=1 runs the sizes that a release has to hold, FETCHD_E2E_SEED=N repeats a run's random choices.
"""
import argparse
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

FULL = os.environ.get("FETCHD_E2E_FULL") == "1"
SEED = int(os.environ.get("FETCHD_E2E_SEED") or random.SystemRandom().randrange(1 << 32))
LOOPBACK_ALLOWED = 'egress.allow=["127.0.0.1/32"]'
# Of docs/egress-vectors.json: what is no URL where IPv4 is written as dotted quads only, as it is by default.
ODD_IPV4 = {"dotted-hex", "dotted-oct", "dword-HEX", "dword-dec", "dword-hex", "dword-oct", "leading-zero-octet", "mixed-radix",
            "three-part", "two-part"}
TERMINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}
binaries = {}


def free_port():
    """Below those that the kernel gives to connections and to port 0: between now and the moment when the program listens,
    somebody else could be given one of these."""
    while True:
        port = random.SystemRandom().randrange(10240, 32768)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def accepts_connections(port, address="127.0.0.1"):
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((address, port)) == 0


def wait_for(condition, what, seconds=30):
    """Polls an outside program; what it waits for has no event that a test could subscribe to."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)
    return result


def pattern(size, seed=1):
    return random.Random(seed).randbytes(size)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def peak_memory(pid):
    """VmHWM in bytes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) * 1024


class Nginx:
    """Serves `root`; /slow/ is the same at `slow_rate`, /gzip/ compressed for who accepts it, /strict/ at
    most 20 times a second, with 429 and Retry-After beyond.

    One process, so that ending it leaves no worker behind.
    """

    def __init__(self, folder, slow_rate="16k", address="127.0.0.1"):
        self.folder, self.port, self.address = pathlib.Path(folder), free_port(), address
        self.root = self.folder / "www"
        self.root.mkdir(parents=True)
        self.folder.chmod(0o755)
        temp_paths = "".join(f"{kind}_temp_path {self.folder}/{kind};\n"
                             for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(f"""
daemon off; master_process off; user root; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  log_format test '$request_uri $status $http_range';
  access_log {self.folder}/access.log test;
  {temp_paths}
  default_type application/octet-stream; sendfile on; keepalive_requests 1000000;
  limit_req_zone $server_port zone=strict:1m rate=20r/s;
  server {{
    listen {address}:{self.port} backlog=4096; root {self.root};
    location /slow/ {{ alias {self.root}/; limit_rate {slow_rate}; }}
    location /gzip/ {{ alias {self.root}/; gzip on; gzip_types *; }}
    location /strict/ {{
      alias {self.root}/; limit_req zone=strict burst=5 nodelay; limit_req_status 429; add_header Retry-After 1 always;
    }}
    location /status/503 {{ return 503; }}
    location /status/404 {{ return 404; }}
  }}
}}
""")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-p", self.folder],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: accepts_connections(self.port, address), "nginx listens")

    def url(self, path):
        return f"http://{self.address}:{self.port}/{path}"

    def add(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return self.url(name)

    def requests(self):
        """(path, status, Range or "-") of each request answered so far."""
        log = self.folder / "access.log"
        return [tuple(line.split(" ", 2)) for line in log.read_text().splitlines()] if log.exists() else []

    def stop(self):
        self.process.kill()
        self.process.wait()


class Server:
    """A fetchd on ports of its own. start() and stop() may be called again and again: the data stay."""

    def __init__(self, folder, *settings, allow_loopback=True):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.log = self.folder / "fetchd.log"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.admin_address = f"127.0.0.1:{free_port()}"
        self.settings = [f"data_dir={self.data}", f"grpc.listen={self.address}", f"admin.listen={self.admin_address}"]
        self.settings += [LOOPBACK_ALLOWED] if allow_loopback else []
        self.settings += settings
        self.connect = []  # What fetchctl needs to be let in.
        self.process = None

    def command(self, *more):
        return [binaries["fetchd"], *(word for setting in (*self.settings, *more) for word in ("--set", setting))]

    def launch(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder)

    def start(self):
        self.launch()
        wait_for(self.is_serving, f"fetchd serves; its log: {self.log}")
        return self

    def is_serving(self):
        if self.process.poll() is not None:
            raise AssertionError(f"fetchd ended with {self.process.returncode}:\n{self.tail()}")
        return accepts_connections(self.port) and self.ctl("status", check=False).returncode == 0

    def health(self, path):
        """Status and body of the admin listener's answer."""
        connection = http.client.HTTPConnection(self.admin_address, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, signal_number=signal.SIGTERM, seconds=60):
        """Exit code, negative for the signal that ended it."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"fetchd did not end within {seconds} s of {signal_number}:\n{self.tail()}") from None

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ctl(self, *arguments, check=True, input=None, timeout=120, text=True):
        run = subprocess.run([binaries["fetchctl"], "--server", self.address, *map(str, (*self.connect, *arguments))],
                             capture_output=True, text=text, timeout=timeout, input=input,
                             **({} if input is not None else {"stdin": subprocess.DEVNULL}))
        if check and run.returncode != 0:
            raise AssertionError(f"fetchctl {arguments} ended with {run.returncode}: {run.stdout[-2000:]} {run.stderr[-2000:]}")
        return run

    def json(self, *arguments, **options):
        """One object a line of what `fetchctl ... -o json` prints."""
        return [json.loads(line) for line in self.ctl(arguments[0], "-o", "json", *arguments[1:], **options).stdout.splitlines() if line]

    def submit(self, *urls, options=()):
        """Names of the jobs."""
        return [job["name"] for job in self.json("submit", *options, *urls)]

    def job(self, name):
        return self.json("describe", name)[0]

    def counts(self):
        """Jobs by state."""
        status = self.json("status")[0]
        return {state: int(count) for state, count in status.get("jobs_by_state", {}).items() if int(count)}

    def wait_until_ended(self, total, seconds=120):
        """Waits until `total` jobs have ended; returns the counts."""
        def ended():
            counts = self.counts()
            return counts if sum(counts.get(state, 0) for state in TERMINAL) >= total else None
        return wait_for(ended, f"{total} jobs have ended", seconds)

    def files(self):
        root = self.data / "files"
        return sorted(path for path in root.rglob("*") if path.is_file()) if root.exists() else []


def write_manifest(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


class TestCase(unittest.TestCase):
    """Gives each test a folder and stops what it started."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fetchd-e2e-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = random.Random(SEED)

    def start_nginx(self, **options):
        nginx = Nginx(self.folder / f"nginx{len(list(self.folder.glob('nginx*')))}", **options)
        self.addCleanup(nginx.stop)
        return nginx

    def new_server(self, *settings, **options):
        folder = self.folder / f"server{len(list(self.folder.glob('server*')))}"
        folder.mkdir()
        server = Server(folder, *settings, **options)
        self.addCleanup(server.kill)
        return server

    def start_server(self, *settings, **options):
        return self.new_server(*settings, **options).start()

    def submit_in_background(self, server, entries):
        """A thread that submits until every entry is accepted; a server that goes away in between gets the same again."""
        submitter = threading.Thread(target=self._submit_in_pieces, args=(server, entries), daemon=True)
        submitter.start()
        return submitter

    def _submit_in_pieces(self, server, entries):
        pieces = [entries[at:at + 50] for at in range(0, len(entries), 50)]
        for number, piece in enumerate(pieces):
            manifest = write_manifest(self.folder / f"manifest{number}", piece)
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    if server.ctl("submit", "-i", manifest, "-o", "json", check=False, timeout=30).returncode == 0:
                        break
                    time.sleep(0.05)  # There is no event for "it listens again".


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fetchd", required=True)
    parser.add_argument("--fetchctl", required=True)
    options, rest = parser.parse_known_args()
    binaries.update(fetchd=os.path.abspath(options.fetchd), fetchctl=os.path.abspath(options.fetchctl))
    print(f"seed {SEED}; full size: {FULL}", flush=True)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
