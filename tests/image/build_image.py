#!/usr/bin/env python3
"""Builds the image that the other tests here run, with the programs of this build, by scripts/image.

build_image.py --fetchd PATH --fetchctl PATH
"""
import argparse
import subprocess
import sys

import lab


def run(*command, environment):
    subprocess.run([*map(str, command)], env=environment, check=True, stdin=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fetchd", required=True)
    parser.add_argument("--fetchctl", required=True)
    build = lab.build_of(parser.parse_args().fetchd)
    environment = lab.environment(build)
    # First of all: an older one must not be tested in place of one that cannot be built.
    subprocess.run(["podman", "untag", lab.IMAGE], env=environment, capture_output=True, stdin=subprocess.DEVNULL)
    if subprocess.run(["podman", "image", "exists", lab.IMAGE], env=environment).returncode == 0:
        sys.exit(f"{lab.IMAGE} of an earlier build cannot be taken away")
    if not lab.mirror_answers():
        lab.skip("Debian's mirror does not answer")
    if subprocess.run(["podman", "image", "exists", lab.BASE], env=environment).returncode != 0:
        run("podman", "import", "--change", 'CMD ["bash"]', lab.base_archive(), lab.BASE, environment=environment)
    # The same time for every build: what has not changed is found again.
    run(lab.REPOSITORY / "scripts/image", "--prebuilt", build, "--debian", lab.BASE, "--tag", lab.IMAGE,
        environment={**environment, "SOURCE_DATE_EPOCH": "1767225600"})
    run("podman", "image", "prune", "--force", environment=environment)


if __name__ == "__main__":
    lab.enter(network=True)  # Debian's mirror is out there.
    main()
