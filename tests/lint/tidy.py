#!/usr/bin/env python3
"""clang-tidy over every source, remembering what passed.

tidy.py SOURCE_DIR BUILD_DIR [--jobs N]

A source is checked again only when it, one of our headers that it includes, its compile command, .clang-tidy or clang-tidy
itself changed; the build's own dependency log says what it includes, so BUILD_DIR must be built.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TIDY = "clang-tidy-19"


def dependencies(build):
    """Object file -> the files it was built from, as ninja recorded them."""
    log = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    result, current = {}, None
    for line in log.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif ": #deps" in line:
            current = result.setdefault(line.split(": #deps")[0], [])
    return result


def sources(root, build):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.is_relative_to(root) and not path.is_relative_to(build):
            yield path, entry


class Checker:
    def __init__(self, root, build):
        self.root, self.build = root, build
        self.stamps = build / "tidy"
        self.stamps.mkdir(exist_ok=True)
        self.deps = dependencies(build)
        version = subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout
        self.common = version.encode() + (root / ".clang-tidy").read_bytes()
        self.hashes = {}

    def file_hash(self, path):
        if path not in self.hashes:
            self.hashes[path] = hashlib.sha256(path.read_bytes()).digest()
        return self.hashes[path]

    def key(self, path, entry):
        digest = hashlib.sha256(self.common + entry["command"].encode())
        included = self.deps.get(re.search(r" -o (\S+)", entry["command"])[1], [])
        ours = {(self.build / name).resolve() for name in included}
        for file in sorted({path} | {file for file in ours if file.is_relative_to(self.root)}):
            if file.exists():
                digest.update(str(file).encode() + self.file_hash(file))
        return digest.hexdigest()

    def check(self, path, entry):
        stamp = self.stamps / self.key(path, entry)
        if stamp.exists():
            os.utime(stamp)
            return None
        started = time.monotonic()
        run = subprocess.run([TIDY, "-p", self.build, "--quiet", path], capture_output=True, text=True)
        if run.returncode == 0:
            stamp.touch()
        return path, time.monotonic() - started, run.returncode, run.stdout + run.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="part of the paths to check")
    options = parser.parse_args()
    root, build = options.root.resolve(), options.build.resolve()
    checker = Checker(root, build)
    work = [pair for pair in sources(root, build) if options.only in str(pair[0])]
    failed = checked = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed(pool.submit(checker.check, *pair) for pair in work):
            if done.result() is None:
                continue
            path, seconds, code, output = done.result()
            checked += 1
            failed += code != 0
            print(f"{'ok  ' if code == 0 else 'FAIL'} {seconds:5.1f} s {path.relative_to(root)}", flush=True)
            if code != 0:
                print(output, flush=True)
    print(f"{len(work)} sources: {checked} checked, {len(work) - checked} unchanged since they passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
