#!/usr/bin/env python3
"""One large body from nginx into a store of objects (Ceph's gateway in memory), beside rclone and s3cmd.

objects.py --build DIR [--rounds N]     see bench/README.md
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import measure

sys.path.insert(0, str(measure.HERE.parent / "tests" / "e2e"))
from object_gateway import ACCESS_KEY, SECRET_KEY, ObjectGateway  # noqa: E402

HEAD = ["what", "CPU s/GiB", "MiB/s", "peak memory", "the store's CPU s/GiB"]
PART_MIB = 8
PARTS_IN_FLIGHT = 4


class Store:
    """The gateway, and how its peers are told of it."""

    def __init__(self, folder):
        self.gateway = ObjectGateway(folder / "ceph")
        self.gateway.make_bucket("bench")
        secret = folder / "secret"
        secret.write_text(SECRET_KEY)
        self.settings = (f"stores.bench.endpoint={self.gateway.endpoint}", "stores.bench.path_style=true", "stores.bench.credentials=static",
                         f"stores.bench.access_key_id={ACCESS_KEY}", f"stores.bench.secret_access_key_file={secret}",
                         f"stores.bench.part_bytes={PART_MIB}MiB", f"stores.bench.parts_in_flight={PARTS_IN_FLIGHT}")
        self.rclone = folder / "rclone.conf"
        self.rclone.write_text(f"[bench]\ntype = s3\nprovider = Ceph\nendpoint = {self.gateway.endpoint}\naccess_key_id = {ACCESS_KEY}\n"
                               f"secret_access_key = {SECRET_KEY}\nchunk_size = {PART_MIB}Mi\nupload_concurrency = {PARTS_IN_FLIGHT}\n")
        self.s3cmd = folder / "s3cfg"
        host = self.gateway.endpoint.removeprefix("http://")
        self.s3cmd.write_text(f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nhost_base = {host}\nhost_bucket = {host}\n"
                              f"use_https = False\nmultipart_chunk_size_mb = {PART_MIB}\n")

    def cpu(self):
        return sum(measure.cpu_of(process.pid) for process in self.gateway.processes)

    def empty(self, key):
        self.gateway.request("DELETE", f"/bench/{key}")


def run_shell(command):
    """Children of a shell: what the kernel says that all of them used. The peak is that of the largest."""
    environment = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    started = time.monotonic()
    child = subprocess.Popen(["bash", "-o", "pipefail", "-c", command], stdin=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{command} ended with {child.returncode}")
    return measure.Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, 1)


def works(store, service, url):
    rclone = f"rclone --config {store.rclone} -q"
    yield "fetchd, submit to s3:", lambda: service.fetch(url, 1, "s3://bench/body")
    if shutil.which("rclone"):
        yield "curl &#124; rclone rcat", lambda: run_shell(f"curl -sSf {url} | {rclone} rcat bench:bench/body")
        yield "rclone copyurl", lambda: run_shell(f"{rclone} copyurl {url} bench:bench/body")
    if shutil.which("s3cmd"):
        yield "curl &#124; s3cmd put", lambda: run_shell(f"curl -sSf {url} | s3cmd -q -c {store.s3cmd} put - s3://bench/body")


def row(options, store, name, work):
    best = None
    for _ in range(options.rounds):
        before = store.cpu()
        cost = work()
        run = (cost.cpu, cost, store.cpu() - before)
        store.empty("body")
        best = run if best is None or run[0] < best[0] else best
    cpu, cost, at_store = best
    return [name, f"{cpu:.2f}", f"{1024 / cost.wall:,.0f}", f"{cost.memory / 2**20:.0f} MiB", f"{at_store:.2f}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=2, help="the cheapest of so many runs is shown")
    options = parser.parse_args()
    print(f"{measure.machine()}; loopback; parts of {PART_MIB} MiB, {PARTS_IN_FLIGHT} on their way; cheapest of {options.rounds}\n")
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        store = Store(folder)
        with measure.Origin(folder / "origin") as origin:
            (folder / "fetchd").mkdir()
            service = measure.Service(options.build, folder / "fetchd", *store.settings)
            try:
                url = origin.url("http", "1g")
                measure.print_table(HEAD, (row(options, store, name, work) for name, work in works(store, service, url)))
            finally:
                service.stop()
                store.gateway.stop()


if __name__ == "__main__":
    sys.exit(main())
