#!/usr/bin/env python3
"""Measures the HTTP client alone and the whole service beside their peers. See bench/README.md.

measure.py --build DIR [--quick] [--rounds N]
"""
import argparse
import atexit
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
GIB = 1 << 30
SERVICE_WIDTH = 64
TICK = os.sysconf("SC_CLK_TCK")
PROTOCOLS = ("http", "https", "h2")
BODIES = {"1k": "1 KiB", "64k": "64 KiB"}
# Body -> concurrencies. Over HTTP/2 the origin allows 128 streams, so that 1,024 would measure a queue.
WIDTHS = {"1k": (1, 64, 1024), "64k": (1, 64)}


class Cost:
    """What a run took."""

    def __init__(self, wall, cpu, memory, count):
        self.wall, self.cpu, self.memory, self.count = wall, cpu, memory, count


def run_child(command, count):
    """Runs a program to its end and charges it with what the kernel says that it used. `count`: what it did, or reads it from
    its output."""
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
        said = output.read().decode(errors="replace")
        if child.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {child.returncode}: {said[-1000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak, count(said) if callable(count) else count)


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_memory_of(pid):
    match = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) * 1024 if match else 0


def free_ports(count):
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{model[1] if model else 'unknown CPU'}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def find_binary(build, name):
    return next((path for path in build.rglob(name) if path.is_file() and os.access(path, os.X_OK)), None)


class Origin:
    """nginx on the last core."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = dict(zip(PROTOCOLS, free_ports(3)))
        self.ca_file = folder / "ca.pem"

    def __enter__(self):
        cpu = os.cpu_count() - 1
        subprocess.run([HERE / "origin.sh", "start", self.folder, *map(str, self.ports.values()), str(cpu)], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run([HERE / "origin.sh", "stop", self.folder], check=True)

    def url(self, protocol, body, host="127.0.0.1"):
        scheme = "http" if protocol == "http" else "https"
        return f"{scheme}://{host}:{self.ports[protocol]}/{body}"


class Service:
    """A fetchd of its own; what it used is read from /proc before and after a piece of work."""

    def __init__(self, build, folder, *settings):
        self.fetchctl = find_binary(build, "fetchctl")
        grpc, admin = free_ports(2)
        self.address = f"127.0.0.1:{grpc}"
        self.metrics_url = f"http://127.0.0.1:{admin}/metrics"
        self.folder = folder
        words = [f"data_dir={folder}/data", f"grpc.listen={self.address}", f"admin.listen=127.0.0.1:{admin}", 'egress.allow=["127.0.0.0/8"]', *settings]
        self.log = open(folder / "fetchd.log", "wb")
        self.process = subprocess.Popen([find_binary(build, "fetchd"), *(w for word in words for w in ("--set", word))],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while subprocess.run(self.ctl("status"), capture_output=True, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "fetchd.log").read_text(errors="replace"))
            time.sleep(0.05)

    def ctl(self, *words):
        return [str(word) for word in (self.fetchctl, "--server", self.address, *words)]

    def ended(self):
        """Asked over HTTP: to start fetchctl again and again would take from the cores what is measured."""
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:
            counts = {state: int(float(count)) for state, count in re.findall(r'^fetchd_jobs{state="(\w+)"} (\S+)$', answer.read().decode(), re.M)}
        if counts.get("FAILED"):
            raise RuntimeError(f"jobs failed: {counts}")
        return counts.get("SUCCEEDED", 0)

    def measure(self, work, count=1):
        started, before = time.monotonic(), cpu_of(self.process.pid)
        work()
        return Cost(time.monotonic() - started, cpu_of(self.process.pid) - before, peak_memory_of(self.process.pid), count)

    def submit(self, urls, destination):
        already = self.ended()
        manifest = self.folder / "manifest"
        manifest.write_text("".join(f"{url}\t{destination.format(i=already + i)}\n" for i, url in enumerate(urls)))
        subprocess.run(self.ctl("submit", "-q", "-i", manifest), stdout=subprocess.DEVNULL, check=True)
        return already + len(urls)

    def fetch(self, url, count, destination):
        def work():
            wanted = self.submit([url] * count, destination)
            while self.ended() < wanted:
                time.sleep(0.05)
        return self.measure(work, count)

    def get(self, url):
        return self.measure(lambda: subprocess.run(self.ctl("get", "-q", url, "-o", "/dev/null"), check=True))

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait()


def curl_multi(folder):
    binary = folder / "curl_multi"
    compiler = shutil.which("cc") or shutil.which("clang-19")
    built = subprocess.run([compiler, "-O2", HERE / "peers/curl_multi.c", "-o", binary, "-lcurl"], capture_output=True,
                           check=False)
    return binary if built.returncode == 0 else None


class Peer:
    """A client to be measured. `share`: of the requests that the fastest get; slow ones get fewer, for what counts is the cost
    of one. `command`: of (url, count, concurrency, protocol, CA file)."""

    def __init__(self, name, here, command, share=1.0, protocols=PROTOCOLS, large=True, count=None,
                 small=True):
        self.name, self.here, self.command, self.share = name, here, command, share
        self.protocols, self.large, self.count, self.small = protocols, large, count, small

    def run(self, origin, protocol, body, count, width):
        command = self.command(origin.url(protocol, body), count, width, protocol, origin.ca_file)
        return run_child(command, self.count or count)


def curl_command(folder):
    def command(url, count, width, protocol, ca_file):
        listing = folder / "curl-list"
        listing.write_text("".join(f'url="{url}"\noutput=/dev/null\n' for _ in range(count)))
        version = "--http2" if protocol == "h2" else "--http1.1"
        return ["curl", "-sSf", version, "--cacert", ca_file, "--parallel", "--parallel-max", min(width, 300), "-K", listing]
    return command


def aria2_command(folder):
    target = pathlib.Path(tempfile.mkdtemp(prefix="fetchd-bench-", dir="/dev/shm"))
    atexit.register(shutil.rmtree, target)

    def command(url, count, width, protocol, ca_file):
        listing = folder / "aria2-list"
        listing.write_text("".join(f"{url}\n  out={i}\n" for i in range(count)))
        return ["aria2c", "-q", "--no-conf", "--file-allocation=none", "--allow-overwrite=true", "-x1", f"-j{width}",
                f"--ca-certificate={ca_file}", "-d", target, "-i", listing]
    return command


def python_command(script):
    return lambda url, count, width, protocol, ca: ["/usr/bin/python3", HERE / "peers" / script, url, count, width, ca]


def has_python_module(name):
    return subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], capture_output=True, check=False).returncode == 0


def peers(build, folder, seconds):
    """The first is ours; those from h2load on do less than a client does: they are the limit."""
    ours, multi = find_binary(build, "http_client_bench"), curl_multi(folder)

    def h2load(url, count, width, protocol, ca_file):
        # As our pool does: one connection with many streams over HTTP/2, one for each request at work before that.
        streams = ["-c", 1, "-m", width] if protocol == "h2" else ["--h1", "-c", width, "-m", 1]
        return ["h2load", *streams, "-n", count, url]

    def wrk(url, count, width, protocol, ca_file):
        return ["wrk", "-t1", f"-c{width}", f"-d{seconds}", url]

    return [
        Peer("fetchd's HTTP client", ours, lambda u, n, w, p, ca: [ours, u, n, w, ca]),
        Peer("libcurl multi", multi, lambda u, n, w, p, ca: [multi, u, n, w, ca], 0.5),
        Peer("curl --parallel", shutil.which("curl"), curl_command(folder), 0.1),
        Peer("aria2c", shutil.which("aria2c"), aria2_command(folder), 0.02, ("http", "https")),
        Peer("aiohttp", has_python_module("aiohttp"), python_command("aiohttp_fetch.py"), 0.04, ("http", "https")),
        Peer("httpx", has_python_module("httpx"), python_command("httpx_fetch.py"), 0.015, ("http", "https")),
        Peer("h2load", shutil.which("h2load"), h2load),
        # Not a client: what it costs to decrypt the records with AES-256-GCM, which nginx and OpenSSL's clients agree on.
        Peer("openssl speed, decrypting", shutil.which("openssl"), lambda *_: [
            "openssl", "speed", "-mr", "-seconds", "2", "-bytes", "16384", "-decrypt", "-evp", "aes-256-gcm"], 1, ("https",),
             count=lambda said: int(re.search(r"\+R:(\d+):", said)[1]) * 16384 / GIB, small=False),
        Peer("wrk", shutil.which("wrk"), wrk, 1, ("http", "https"), False,
             lambda said: int(re.search(r"(\d+) requests in", said)[1])),
    ]


def best(rounds, work):
    """The cheapest run; None when nothing was done in any."""
    done = [cost for cost in (work() for _ in range(rounds)) if cost.count > 0]
    return min(done, key=lambda cost: cost.cpu / cost.count, default=None)


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + " --- |" + " ---: |" * (len(head) - 1), flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print(flush=True)


def small_cells(options, origin, peer, body):
    for protocol in PROTOCOLS:
        for width in WIDTHS[body]:
            if protocol == "h2" and width > 128:
                continue
            if not peer.here or protocol not in peer.protocols:
                yield "-"
                continue
            # One at a time is slower than many; so are larger bodies, and TLS.
            scale = peer.share * (0.3 if width == 1 else 1) * (1 if body == "1k" else 0.3) * (1 if protocol == "http" else 0.7)
            count = max(int(options.requests * scale), 50, 2 * width)
            cost = best(options.rounds, lambda: peer.run(origin, protocol, body, count, width))
            yield f"{cost.cpu / cost.count * 1e6:.1f} ({cost.count / cost.wall:,.0f}/s)" if cost else "-"


def small_table(options, origin, all_peers, body):
    print(f"### {BODIES[body]} bodies: CPU us per request (requests/s), by protocol and concurrency\n")
    head = ["client"] + [f"{protocol}, {width:,}" for protocol in PROTOCOLS for width in WIDTHS[body]
                         if protocol != "h2" or width <= 128]
    print_table(head, ([peer.name, *small_cells(options, origin, peer, body)] for peer in all_peers if peer.small))


def large_cells(options, origin, peer):
    for protocol in PROTOCOLS:
        if not peer.here or protocol not in peer.protocols:
            yield "-"
            continue
        cost = best(options.rounds, lambda: peer.run(origin, protocol, "1g", 1, 1))
        yield f"{cost.cpu / cost.count:.2f} ({1024 * cost.count / cost.wall:,.0f} MiB/s, {cost.memory / 2**20:.0f} MiB)"


def large_table(options, origin, all_peers):
    print("### One body of 1 GiB: CPU s (throughput, peak memory), by protocol\n")
    print_table(["client", *PROTOCOLS], ([peer.name, *large_cells(options, origin, peer)] for peer in all_peers if peer.large))


def service_row(name, cost, body):
    if body == "1g":
        return [name, "1 GiB", f"{1024 / cost.wall:,.0f} MiB/s", f"{cost.cpu:.2f} s/GiB", f"{cost.memory / 2**20:.0f} MiB"]
    return [name, f"{cost.count} x 1 KiB", f"{cost.count / cost.wall:,.0f}/s", f"{cost.cpu / cost.count * 1e6:.1f} us/request",
            f"{cost.memory / 2**20:.0f} MiB"]


def service_rows(options, folder, origin):
    count = options.requests // 20
    service = Service(options.build, folder, f"limits.per_host={SERVICE_WIDTH}")
    small, large = origin.url("http", "1k"), origin.url("http", "1g")
    try:
        for name, destination in (("fetchd, submit to discard:", "discard:"), ("fetchd, submit to file:", "file:b/{i}")):
            yield service_row(name, best(options.rounds, lambda: service.fetch(small, count, destination)), "1k")
            yield service_row(name, best(options.rounds, lambda: service.fetch(large, 1, destination)), "1g")
        yield service_row("fetchd, get (server's share)", best(options.rounds, lambda: service.get(large)), "1g")
    finally:
        service.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=2, help="the cheapest of so many runs is shown")
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.requests = 1, 15_000
    print(f"{machine()}; loopback; origin nginx on core {os.cpu_count() - 1}; best of {options.rounds}\n")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        with Origin(folder / "origin") as origin:
            all_peers = peers(options.build, folder, "1s" if options.quick else "2s")
            for body in BODIES:
                small_table(options, origin, all_peers, body)
            large_table(options, origin, all_peers)
            print("### The service\n")
            print_table(["what", "work", "throughput", "CPU", "peak memory"], service_rows(options, folder, origin))
    print(f"Took {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
