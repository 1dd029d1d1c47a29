#!/usr/bin/env python3
"""What connections cost in memory, in the HTTP client alone and in the whole service. See bench/README.md.

memory.py --build DIR [--idle N] [--active N]
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from measure import Origin, Service, find_binary, print_table

HOSTS = [f"127.0.0.{i}" for i in range(1, 5)]  # Ports are 16 bits an address.
SETTLE = 5  # Seconds: until idle connections have given up what they can.


def of_client(build, mode, count, origin, protocol):
    urls = [origin.url(protocol, "1k" if mode == "idle" else "slow/1m", host) for host in HOSTS]
    command = [find_binary(build, "memory_bench"), mode, count, origin.ca_file, *urls]
    said = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"each (\d+)", said)[1])


def resident_bytes(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024


def of_service(build, folder, count, origin, protocol):
    """Of a job that is being fetched: the connection, the transfer, its buffer."""
    service = Service(build, folder, f"limits.connections={count}", f"limits.per_host={count}", f"limits.transfers={count}",
                      "limits.buffer_bytes=1GiB", f"tls.ca_file={origin.ca_file}", "http.http2=false", "timeouts.tls=2m",
                      "timeouts.connect=2m", "timeouts.first_byte=2m")
    try:
        urls = [origin.url(protocol, "slow/1m", HOSTS[i % len(HOSTS)]) for i in range(count)]
        service.fetch(origin.url(protocol, "1k"), 1, "discard:")
        before = resident_bytes(service.process)
        service.submit(urls, "discard:")
        while int(service.status()["dials"]["in_flight"]) < count:
            time.sleep(0.5)
        time.sleep(SETTLE)
        after = resident_bytes(service.process)
    finally:
        service.process.kill()
        service.process.wait()
    return (after - before) // count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=2000)
    options = parser.parse_args()

    def kib(size):
        return f"{size / 1024:.1f} KiB"

    with tempfile.TemporaryDirectory(prefix="fetchd-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        with Origin(folder / "origin") as origin:
            def row(what, count, measure):
                return [what, str(count), *(kib(measure(protocol)) for protocol in ("http", "https"))]
            print_table(["resident memory", "how many", "http, each", "https, each"], (row(*each) for each in [
                ("idle connection", options.idle, lambda p: of_client(options.build, "idle", options.idle, origin, p)),
                ("slow download, HTTP client", options.active,
                 lambda p: of_client(options.build, "active", options.active, origin, p)),
                ("slow download, a job of the service", options.active,
                 lambda p: of_service(options.build, pathlib.Path(tempfile.mkdtemp(dir=folder)), options.active, origin, p)),
            ]))


if __name__ == "__main__":
    sys.exit(main())
