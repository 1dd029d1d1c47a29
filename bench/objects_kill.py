#!/usr/bin/env python3
"""What kill -9 in the middle of a large upload costs: the share of the body that the origin serves twice.

objects_kill.py --build DIR [--mib N] [--rounds N]     see bench/README.md
"""
import argparse
import mmap
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
import harness  # noqa: E402
from body_origin import Origin  # noqa: E402
from object_gateway import ACCESS_KEY, SECRET_KEY, ObjectGateway  # noqa: E402

MIB = 1 << 20
BLOCK = random.Random(1).randbytes(16 * MIB)


def make_body(path, size):
    """On a disk: it may be larger than what is free of the memory."""
    with open(path, "wb") as file:
        for _ in range(size // len(BLOCK)):
            file.write(BLOCK)
        file.write(BLOCK[:size % len(BLOCK)])
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def interrupt(server, gateway, origin, key):
    """(bytes that were served twice, whether the object is whole), for one kill when half of the body is here."""
    size, already = len(origin.body), origin.sent
    name = server.submit(origin.url(key), options=("--to", f"s3://bench/{key}"))[0]
    harness.wait_for(lambda: int(server.job(name).get("progress", {}).get("received_bytes", 0)) > size // 2, "half of it is here", 600)
    server.kill()
    server.start()
    server.ctl("watch", name, timeout=600)
    result = server.job(name)["result"]
    whole = int(result["size_bytes"]) == size and gateway.head("bench", key)["content-length"] == str(size)
    gateway.request("DELETE", f"/bench/{key}")
    return origin.sent - already - size, whole


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--mib", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    harness.binaries.update(fetchd=str((options.build / "server/app/fetchd").resolve()),
                            fetchctl=str((options.build / "client_cli/fetchctl").resolve()))
    with tempfile.TemporaryDirectory(prefix="fetchd-bench-") as name:
        folder = pathlib.Path(name)
        secret = folder / "secret"
        secret.write_text(SECRET_KEY)
        gateway = ObjectGateway(folder / "ceph", disk_bytes=2 * options.mib * MIB + (1 << 30))
        gateway.make_bucket("bench")
        origin = Origin(make_body(folder / "body", options.mib * MIB))
        (folder / "fetchd").mkdir()
        server = harness.Server(folder / "fetchd", f"stores.lab.endpoint={gateway.endpoint}", "stores.lab.path_style=true",
                                "stores.lab.credentials=static", f"stores.lab.access_key_id={ACCESS_KEY}",
                                f"stores.lab.secret_access_key_file={secret}")
        try:
            server.start()
            for number in range(options.rounds):
                twice, whole = interrupt(server, gateway, origin, f"body{number}")
                print(f"{options.mib} MiB: {twice / MIB:.0f} MiB served twice, {100 * twice / (options.mib * MIB):.1f} %; whole: {whole}",
                      flush=True)
        finally:
            server.kill()
            origin.stop()
            gateway.stop()


if __name__ == "__main__":
    sys.exit(main())
