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

from measure import Origin, Service, find_binary, machine, print_table

HOSTS = [f"127.0.0.{i}" for i in range(1, 5)]  # A connection takes a port, of which an address has some 28,000.
PROTOCOLS = ("http", "https")
BODY = "slow/1m"  # At 2 KiB/s it lasts longer than any measurement.
SETTLE = 5  # Seconds, until all that are being fetched have got some of their bodies.
PATIENCE = 120  # Seconds, until all have begun.


def of_client(build, mode, count, origin, protocol):
    urls = [origin.url(protocol, "1k" if mode == "idle" else BODY, host) for host in HOSTS]
    command = [find_binary(build, "memory_bench"), mode, count, origin.ca_file, *urls]
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"memory_bench {mode} ended with {run.returncode}: {run.stdout}{run.stderr}")
    return int(re.search(r"each (\d+)", run.stdout)[1])


def resident_bytes(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024


def wait_until_fetched(service, count):
    deadline = time.monotonic() + PATIENCE
    while int(service.status()["dials"].get("in_flight", 0)) < count:
        service.ended()  # Raises when a job has failed.
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {count} jobs have begun: {service.status()}")
        time.sleep(0.5)


def of_service(build, folder, count, origin, protocol):
    """Of a job that is being fetched: the connection, the transfer, its buffer, its rows in the store's cache."""
    service = Service(build, folder, f"limits.connections={count}", f"limits.per_host={count}", f"limits.transfers={count}",
                      "limits.buffer_bytes=1GiB", f"tls.ca_file={origin.ca_file}", "http.http2=false", "timeouts.tls=2m",
                      "timeouts.connect=2m", "timeouts.first_byte=2m")
    try:
        service.fetch(origin.url(protocol, "1k"), 1, "discard:")
        before = resident_bytes(service.process)
        service.submit([origin.url(protocol, BODY, HOSTS[i % len(HOSTS)]) for i in range(count)], "discard:")
        wait_until_fetched(service, count)
        time.sleep(SETTLE)
        after = resident_bytes(service.process)
    finally:
        service.kill()
    return (after - before) // count


def rows(options, folder, origin):
    measures = [
        ("idle connection", options.idle, lambda p: of_client(options.build, "idle", options.idle, origin, p)),
        ("slow download, HTTP client", options.active, lambda p: of_client(options.build, "active", options.active, origin, p)),
        ("slow download, a job of the service", options.active,
         lambda p: of_service(options.build, pathlib.Path(tempfile.mkdtemp(dir=folder)), options.active, origin, p)),
    ]
    for what, count, measure in measures:
        yield [what, f"{count:,}", *(f"{measure(protocol) / 1024:.1f} KiB" for protocol in PROTOCOLS)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=2000)
    options = parser.parse_args()
    print(f"{machine()}; loopback; resident memory, each\n")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        with Origin(folder / "origin") as origin:
            print_table(["what", "how many", *PROTOCOLS], rows(options, folder, origin))
    print(f"Took {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
