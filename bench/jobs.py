#!/usr/bin/env python3
"""Jobs per second, from the first that is submitted to the last that has succeeded, beside aria2 over JSON-RPC.

jobs.py --build DIR [--jobs N] [--rounds N]     see bench/README.md
"""
import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import measure

CALLS_A_REQUEST = 1000
HEAD = ["what", "jobs", "jobs/s", "CPU us a job", "where the CPU goes"]


def cpu_by_thread(pid):
    """Seconds by the threads' names, without the numbers at their ends."""
    used = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        head, tail = (task / "stat").read_text().rsplit(")", 1)
        fields = tail.split()
        used[head.split("(", 1)[1].rstrip("0123456789/-")] += (int(fields[11]) + int(fields[12])) / measure.TICK
    return used


class Aria2:
    """aria2c as a service: its downloads go to files, for it can do nothing else with them."""

    def __init__(self, folder):
        self.files = folder / "aria2"
        port = measure.free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}/jsonrpc"
        self.process = subprocess.Popen(
            ["aria2c", "-q", "--no-conf", "--enable-rpc", f"--rpc-listen-port={port}", "--rpc-max-request-size=64M", "-d", self.files,
             f"-j{measure.SERVICE_WIDTH}", "-x1", "--file-allocation=none"], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.call("aria2.getVersion")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def call(self, method, *parameters):
        request = json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters}).encode()
        with urllib.request.urlopen(self.url, request, timeout=120) as answer:
            return json.load(answer)["result"]

    def ended(self):
        return int(self.call("aria2.getGlobalStat")["numStoppedTotal"])

    def submit(self, url, count):
        calls = [{"methodName": "aria2.addUri", "params": [[url], {"out": str(i)}]} for i in range(count)]
        for start in range(0, count, CALLS_A_REQUEST):
            self.call("system.multicall", calls[start:start + CALLS_A_REQUEST])

    def run(self, url, count):
        started, before = time.monotonic(), measure.cpu_of(self.process.pid)
        self.submit(url, count)
        while self.ended() < count:
            time.sleep(0.05)
        wall, cpu = time.monotonic() - started, measure.cpu_of(self.process.pid) - before
        whole = sum(1 for path in self.files.iterdir() if path.stat().st_size == 1024)
        if whole != count:
            raise RuntimeError(f"aria2 brought {whole} of {count} files")
        return wall, cpu

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def fetchd_row(options, folder, url, name, destination):
    folder.mkdir()
    service = measure.Service(options.build, folder, f"limits.per_host={measure.SERVICE_WIDTH}")
    try:
        threads = cpu_by_thread(service.process.pid)
        cost = service.fetch(url, options.jobs, destination)
        threads = cpu_by_thread(service.process.pid) - threads
    finally:
        service.stop()
    return cost.wall, cost.cpu, threads, name


def aria2_row(options, folder, url):
    folder.mkdir()
    service = Aria2(folder)
    try:
        wall, cpu = service.run(url, options.jobs)
    finally:
        service.stop()
    return wall, cpu, {}, "aria2 over JSON-RPC, to files"


def cells(options, row):
    wall, cpu, threads, name = row
    total = sum(threads.values()) or 1
    shares = sorted(threads.items(), key=lambda item: -item[1])
    where = ", ".join(f"{thread} {100 * used / total:.0f} %" for thread, used in shares if used >= 0.03 * total)
    return [name, f"{options.jobs:,}", f"{options.jobs / wall:,.0f}", f"{cpu / options.jobs * 1e6:.0f}", where or "-"]


def rows(options, folder, url):
    works = [("fetchd, to discard:", "discard:"), ("fetchd, to file:", "file:b/{i}")]
    for number, (name, destination) in enumerate(works):
        runs = [fetchd_row(options, folder / f"fetchd-{number}-{i}", url, name, destination) for i in range(options.rounds)]
        yield cells(options, min(runs, key=lambda run: run[1]))
    if shutil.which("aria2c"):
        runs = [aria2_row(options, folder / f"aria2-{i}", url) for i in range(options.rounds)]
        yield cells(options, min(runs, key=lambda run: run[1]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="the cheapest of so many runs is shown")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to be measured; default: the system's for temporary files")
    options = parser.parse_args()
    print(f"{measure.machine()}; loopback; bodies of 1 KiB; cheapest of {options.rounds}\n")
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-", dir=options.folder) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        with measure.Origin(folder / "origin") as origin:
            measure.print_table(HEAD, rows(options, folder, origin.url("http", "1k")))


if __name__ == "__main__":
    sys.exit(main())
