#!/usr/bin/env python3
"""Measures the HTTP client alone and the whole service beside their peers. See bench/README.md.

measure.py --build DIR [--quick] [--rounds N]
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
GIB = 1 << 30
WIDTH = 64
TICK = os.sysconf("SC_CLK_TCK")


class Cost:
    """What a run took."""

    def __init__(self, wall, cpu, memory):
        self.wall, self.cpu, self.memory = wall, cpu, memory


def run_child(command):
    """Runs a program to its end and charges it with what the kernel says that it used."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        peak = 0
        # ru_maxrss would count this interpreter's memory too: it is inherited until the child has called exec.
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            peak = peak_memory_of(child.pid) or peak
            time.sleep(0.02)
        wall = time.monotonic() - started
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if child.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {child.returncode}: {output.read()[-1000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak)


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_memory_of(pid):
    match = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) * 1024 if match else 0


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def find_binary(build, name):
    return next((path for path in build.rglob(name) if path.is_file() and os.access(path, os.X_OK)), None)


class Service:
    """A fetchd of its own; what it used is read from /proc before and after a piece of work."""

    def __init__(self, build, folder):
        self.fetchctl = find_binary(build, "fetchctl")
        self.address = f"127.0.0.1:{free_port()}"
        self.folder = folder
        settings = [f"data_dir={folder}/data", f"grpc.listen={self.address}", "admin.listen=off",
                    'egress.allow=["127.0.0.1/32"]', f"limits.per_host={WIDTH}"]
        words = [word for setting in settings for word in ("--set", setting)]
        self.log = open(folder / "fetchd.log", "wb")
        self.process = subprocess.Popen([find_binary(build, "fetchd"), *words], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while subprocess.run(self.ctl("status"), capture_output=True, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "fetchd.log").read_text(errors="replace"))
            time.sleep(0.05)

    def ctl(self, *words):
        return [str(word) for word in (self.fetchctl, "--server", self.address, *words)]

    def ended(self):
        status = json.loads(subprocess.run(self.ctl("status", "-o", "json"), capture_output=True, check=True).stdout)
        counts = {state: int(count) for state, count in status.get("jobs_by_state", {}).items()}
        if counts.get("FAILED"):
            raise RuntimeError(f"jobs failed: {counts}")
        return counts.get("SUCCEEDED", 0)

    def measure(self, work):
        started, before = time.monotonic(), cpu_of(self.process.pid)
        work()
        return Cost(time.monotonic() - started, cpu_of(self.process.pid) - before, peak_memory_of(self.process.pid))

    def submit(self, url, count, destination):
        def work():
            already = self.ended()
            manifest = self.folder / "manifest"
            manifest.write_text("".join(f"{url}\t{destination.format(i=already + i)}\n" for i in range(count)))
            subprocess.run(self.ctl("submit", "-q", "-i", manifest), stdout=subprocess.DEVNULL, check=True)
            while self.ended() < already + count:
                time.sleep(0.05)
        return self.measure(work)

    def get(self, url):
        return self.measure(lambda: subprocess.run(self.ctl("get", "-q", url, "-o", "/dev/null"), check=True))

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def origin(folder):
    port, tls_port = free_port(), free_port()
    cpu = os.cpu_count() - 1
    subprocess.run([HERE / "origin.sh", "start", folder, str(port), str(tls_port), str(cpu)], check=True)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([HERE / "origin.sh", "stop", folder], check=True)


def python_peer(script):
    return lambda url, count, width: run_child(["/usr/bin/python3", HERE / "peers" / script, url, count, width])


def has_python_module(name):
    return subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], capture_output=True, check=False).returncode == 0


def curl_multi(folder):
    binary = folder / "curl_multi"
    compiler = shutil.which("cc") or shutil.which("clang-19")
    built = subprocess.run([compiler, "-O2", HERE / "peers/curl_multi.c", "-o", binary, "-lcurl"], capture_output=True,
                           check=False)
    return binary if built.returncode == 0 else None


def aria2(url, count, width):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        listing = pathlib.Path(folder) / "list"
        listing.write_text("".join(f"{url}\n  out={i}\n" for i in range(count)))
        return run_child(["aria2c", "-q", "--no-conf", "--file-allocation=none", "--allow-overwrite=true", "-x1",
                          f"-j{width}", "-d", folder, "-i", listing])


def curl_cli(url, count, width):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        listing = pathlib.Path(folder) / "list"
        listing.write_text("".join(f'url="{url}"\noutput=/dev/null\n' for _ in range(count)))
        return run_child(["curl", "-sSf", "--parallel", "--parallel-max", width, "-K", listing])


def clients(build, folder):
    """(name, function of (url, count, concurrency) or None when it is not here)."""
    ours = find_binary(build, "http_client_bench")
    multi = curl_multi(folder)
    return [
        ("fetchd's HTTP client", ours and (lambda u, n, w: run_child([ours, u, n, w]))),
        ("libcurl multi", multi and (lambda u, n, w: run_child([multi, u, n, w]))),
        ("curl --parallel", shutil.which("curl") and curl_cli),
        ("aria2c", shutil.which("aria2c") and aria2),
        ("aiohttp", has_python_module("aiohttp") and python_peer("aiohttp_fetch.py")),
        ("httpx", has_python_module("httpx") and python_peer("httpx_fetch.py")),
    ]


def best(rounds, work):
    return min((work() for _ in range(rounds)), key=lambda cost: cost.cpu)


def small_row(name, cost, count):
    return (f"| {name} | {count} x 1 KiB | {count / cost.wall:,.0f}/s | {cost.cpu / count * 1e6:.1f} us/request "
            f"| {cost.memory / 2**20:.0f} MiB |")


def large_row(name, cost):
    return f"| {name} | 1 GiB | {1024 / cost.wall:,.0f} MiB/s | {cost.cpu:.2f} s/GiB | {cost.memory / 2**20:.0f} MiB |"


def measure_clients(options, folder, base):
    # Slow peers get fewer requests: what counts is the cost of one.
    share = {"fetchd's HTTP client": 1, "libcurl multi": 1, "curl --parallel": 0.2, "aria2c": 0.02}
    for name, run in clients(options.build, folder):
        if not run:
            print(f"| {name} | skipped: not installed | | | |", flush=True)
            continue
        count = int(options.requests * share.get(name, 0.1))
        print(small_row(name, best(options.rounds, lambda: run(f"{base}/1k", count, WIDTH)), count), flush=True)
        print(large_row(name, best(options.rounds, lambda: run(f"{base}/1g", 1, 1))), flush=True)


def measure_service(options, folder, base):
    count = options.requests // 10
    service = Service(options.build, folder)
    try:
        for name, destination in (("fetchd, submit to discard:", "discard:"), ("fetchd, submit to file:", "file:b/{i}")):
            cost = best(options.rounds, lambda: service.submit(f"{base}/1k", count, destination))
            print(small_row(name, cost, count), flush=True)
            print(large_row(name, best(options.rounds, lambda: service.submit(f"{base}/1g", 1, destination))), flush=True)
        print(large_row("fetchd, get (server's share)", best(options.rounds, lambda: service.get(f"{base}/1g"))), flush=True)
    finally:
        service.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3, help="the cheapest of so many runs is shown")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.requests = 1, 10_000
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    print(f"{model[1] if model else 'unknown CPU'}, {os.cpu_count()} cores; loopback; origin nginx on core "
          f"{os.cpu_count() - 1}; best of {options.rounds}; concurrency {WIDTH} for 1 KiB, 1 for 1 GiB\n")
    print("| what | work | throughput | CPU | peak memory |\n| --- | --- | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        with origin(folder / "origin") as base:
            measure_clients(options, folder, base)
            measure_service(options, folder, base)


if __name__ == "__main__":
    sys.exit(main())
