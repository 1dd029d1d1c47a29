"""A real store of objects for end-to-end tests, Ceph's gateway over a cluster of one node in memory, and a client that asks it directly."""
import datetime
import hashlib
import hmac
import http.client
import pathlib
import re
import subprocess
import urllib.parse
import uuid

import harness

ACCESS_KEY = "TESTACCESSKEY"
SECRET_KEY = "testsecretkey1234567890"
COME_UP_SECONDS = 120  # On a machine that is busy; else it takes seconds.

# One node of one disk, which need not be safe; proposals of the monitor come soon.
CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor_port}/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
crash dir = {folder}/log
mon cluster log file = {folder}/log/cluster.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon osd crush smoke test = false
mon data avail crit = 1
mon data avail warn = 2
mon max pg per osd = 1000
paxos propose interval = 0.02
paxos min wait = 0.01
[mon]
auth allow insecure global id reclaim = false
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {disk_bytes}
osd op num shards = 2
osd journal size = 100
ms bind port min = {storage_port}
ms bind port max = {last_storage_port}
[client.rgw]
rgw frontends = beast {endpoints}
rgw data = {folder}/rgw
rgw thread pool size = 64
rgw enable usage log = false
rgw override bucket index max shards = 1
rgw rados pool pg num min = 4
rgw run sync thread = false
rgw gc obj min wait = 1
rgw gc processor period = 1
rgw gc processor max time = 1
"""


class ObjectGateway:
    """Takes some seconds to come up: one for all tests of a class. Needs `scripts/install-deps test`."""

    def __init__(self, folder, disk_bytes=4 << 30, address="127.0.0.1"):
        """`address`: where fetchd finds it; the test's own requests come over loopback."""
        self.folder, self.port, self.disk_bytes = pathlib.Path(folder), harness.free_port(), disk_bytes
        self.addresses = sorted({"127.0.0.1", address})
        self.endpoint = f"http://{address}:{self.port}"
        self.processes = []
        for name in ("mon", "osd", "log", "run", "rgw"):
            (self.folder / name).mkdir(parents=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        fsid, monitor_port, storage_port = uuid.uuid4(), harness.free_port(), harness.free_port()
        self.configuration = self.folder / "ceph.conf"
        self.configuration.write_text(CONFIGURATION.format(
            fsid=fsid, folder=self.folder, disk_bytes=self.disk_bytes, monitor_port=monitor_port, storage_port=storage_port,
            last_storage_port=storage_port + 500, endpoints=" ".join(f"endpoint={address}:{self.port}" for address in self.addresses)))
        self._make_keys()
        self._run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{monitor_port}]",
                  self.folder / "monmap")
        self._run("ceph-mon", "-c", self.configuration, "--mkfs", "-i", "a", "--monmap", self.folder / "monmap",
                  "--keyring", self.folder / "keyring")
        self._serve("ceph-mon", "-i", "a")
        disk = uuid.uuid4()
        # Waits for the monitor. Its answer is the number of the first: 0, as its key says.
        self._run("ceph", "-c", self.configuration, "--connect-timeout", "60", "osd", "new", disk)
        self._run("ceph-osd", "-c", self.configuration, "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._serve("ceph-osd", "-i", "0")
        gateway = self._serve("radosgw", "-n", "client.rgw")
        harness.wait_for(lambda: gateway.poll() is not None or harness.accepts_connections(self.port), "the gateway listens",
                         COME_UP_SECONDS)
        self._run("radosgw-admin", "-c", self.configuration, "-n", "client.rgw", "user", "create", "--uid=test",
                  "--display-name=Test", f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")

    def _make_keys(self):
        keyring = self.folder / "keyring"
        create = ["--create-keyring"]
        for name, grants in {"mon.": {"mon": "allow *"},
                             "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
                             "client.rgw": {"mon": "allow rw", "osd": "allow rwx"},
                             "osd.0": {"mon": "allow profile osd", "osd": "allow *"}}.items():
            words = [word for grant in grants.items() for word in ("--cap", *grant)]
            self._run("ceph-authtool", *create, keyring, "--gen-key", "-n", name, *words)
            create = []

    def _run(self, *command):
        run = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=COME_UP_SECONDS,
                             stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise AssertionError(f"{command} ended with {run.returncode}: {run.stderr[-2000:]}")

    def _serve(self, program, *words):
        with open(self.folder / "log" / f"{program}.out", "ab") as log:
            process = subprocess.Popen([program, "-c", self.configuration, *words, "-f"], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def stop(self):
        """At once: asked nicely, the gateway takes ten seconds."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def request(self, method, path, query="", headers=None):
        """(status, headers, body) of a request under Signature Version 4 (AWS General Reference). `path` is not encoded yet,
        `query` is, and in order."""
        path = urllib.parse.quote(path, safe="/-_.~")
        time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        empty = hashlib.sha256(b"").hexdigest()
        signed = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": empty, "x-amz-date": time,
                  **{name.lower(): value for name, value in (headers or {}).items()}}
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, path, query, *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names, empty])
        scope = f"{time[:8]}/us-east-1/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{SECRET_KEY}".encode()
        for word in (*scope.split("/"), to_sign):
            key = hmac.digest(key, word.encode(), "sha256")
        signed["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, "
                                   f"Signature={key.hex()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"{path}?{query}" if query else path, headers=signed)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def make_bucket(self, bucket):
        status, _, body = self.request("PUT", f"/{bucket}")
        assert status == 200, body

    def limit(self, bucket, size):
        """From now on no more than `size` bytes are stored in it."""
        for words in (("set", f"--max-size={size}"), ("enable",)):
            self._run("radosgw-admin", "-c", self.configuration, "-n", "client.rgw", "quota", words[0], "--quota-scope=bucket",
                      f"--bucket={bucket}", *words[1:])

    def get(self, bucket, key):
        """The object; None when there is none."""
        status, _, body = self.request("GET", f"/{bucket}/{key}")
        assert status in (200, 404), body
        return body if status == 200 else None

    def head(self, bucket, key):
        """Headers of the object, by name in lower case; None when there is none."""
        status, headers, _ = self.request("HEAD", f"/{bucket}/{key}")
        assert status in (200, 404), status
        return {name.lower(): value for name, value in headers.items()} if status == 200 else None

    def uploads(self, bucket):
        """Keys of the uploads that were begun, and neither completed nor aborted."""
        status, _, body = self.request("GET", f"/{bucket}", "uploads=")
        assert status == 200, body
        return re.findall(r"<Upload>.*?<Key>(.*?)</Key>", body.decode(), re.DOTALL)
