"""What kustomize makes of k8s/, and the tools that read it. They are of npm's registry (npm/package.json): scripts/install-deps test
puts them into the cache."""
import functools
import json
import os
import pathlib
import platform
import shutil
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
HERE = REPOSITORY / "tests/k8s"
K8S = REPOSITORY / "k8s"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "fetchd"
MODULES = CACHE / "manifests-1"


def why_not():
    """What is missing on this machine, or None."""
    if platform.machine() != "x86_64":
        return "the package of npm's registry that brings kubectl is for x86-64"
    if not (MODULES / "installed").exists() or shutil.which("node") is None:
        return "the tools of npm's registry are not installed (scripts/install-deps test)"
    return None


def run(*command, **options):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **options)


def node(script, *arguments):
    return run("node", HERE / script, MODULES, *arguments)


@functools.cache
def render(folder):
    """The YAML of an overlay."""
    done = run(MODULES / "bin/kubectl", "kustomize", folder, env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"})
    if done.returncode != 0:
        raise AssertionError(f"kustomize {folder} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def objects(file):
    """Of a rendered file, by "Kind/name"."""
    found = json.loads(node("objects.mjs", file).stdout)
    return {f"{entry['kind']}/{entry['metadata']['name']}": entry for entry in found}
