"""Where the tests of the image keep its storage, and how they run it: podman and buildah with a configuration of their own, in
namespaces that end with the test. Nothing of the machine's own containers, networks or /etc is touched."""
import argparse
import contextlib
import os
import pathlib
import platform
import resource
import shutil
import subprocess
import sys
import threading
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/e2e"))
import harness  # noqa: E402

BASE = "localhost/fetchd-debian:bookworm"
IMAGE = "localhost/fetchd:test"
USER = 65532
TOOLS = ("buildah", "podman", "runc", "conmon", "ip", "unshare")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "fetchd"
ENTERED = "FETCHD_IMAGE_LAB"
CGROUP = "fetchd-test"
HANDED_OVER = REPOSITORY / "build/image/fetchd"  # By scripts/image to the build of the image.

STORAGE = """[storage]
driver = "overlay"
runroot = "{folder}/run"
graphroot = "{folder}/graph"
"""
# runc: crun refuses hybrid cgroups. cgroupfs: no systemd is asked. The limits: what may be given without CAP_SYS_RESOURCE, too.
CONTAINERS = """[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
tmp_dir = "{folder}/tmp"
[network]
network_config_dir = "{folder}/networks"
"""


def within(limit, wanted=4096):
    _, hard = resource.getrlimit(limit)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def skip(reason):
    """Ends the process as ctest knows a test that was skipped; with FETCHD_REQUIRE_IMAGE=1 as one that failed."""
    required = os.environ.get("FETCHD_REQUIRE_IMAGE") == "1"
    print(f"{'FAILED' if required else 'SKIPPED'}, THE IMAGE IS NOT TESTED: {reason}", flush=True)
    sys.exit(1 if required else 77)


def folder(build):
    return pathlib.Path(build) / "tests/image/lab"


def environment(build):
    """For podman and buildah, whose files it writes."""
    place = folder(build)
    place.mkdir(parents=True, exist_ok=True)
    values = {"folder": place, "files": within(resource.RLIMIT_NOFILE), "processes": within(resource.RLIMIT_NPROC)}
    for name, text in (("storage.conf", STORAGE), ("containers.conf", CONTAINERS)):
        (place / name).write_text(text.format(**values))
    return {**os.environ, "CONTAINERS_STORAGE_CONF": str(place / "storage.conf"), "CONTAINERS_CONF": str(place / "containers.conf"),
            "BUILDAH_ISOLATION": "chroot", "HOME": str(place)}


def build_of(program):
    return next(folder for folder in pathlib.Path(program).resolve().parents if (folder / "build.ninja").exists())


def why_not():
    """What keeps this machine from running containers, or None."""
    if os.geteuid() != 0:
        return "only root can build and run the image here"
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return f"not installed (scripts/install-deps test): {', '.join(missing)}"
    trial = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"no namespaces of one's own: {trial.stderr.strip()}" if trial.returncode != 0 else None


def mirror_answers():
    """Debian's, from which the packages in the image are."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
                            capture_output=True, text=True).stdout
    mirror = next((line.split()[0] for line in listed.splitlines() if line.endswith(" bookworm")), "http://deb.debian.org/debian/")
    try:
        with urllib.request.urlopen(f"{mirror}dists/bookworm/Release", timeout=20) as answer:
            return answer.status == 200
    except OSError:
        return False


def base_archive():
    """A Debian without anything else, as a tar; made once for this machine. It has what debian:bookworm-slim has, and leaves
    out what that leaves out."""
    archive = CACHE / f"debian-bookworm-{platform.machine()}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["bash", REPOSITORY / "tests/image/debian.sh", archive], check=True)
    return archive


def enter(network=False):
    """Runs the caller again in its own namespaces of mounts and processes, and of the network but for what needs the one there is:
    whatever it leaves ends with it. Where this machine cannot, the end is 77: a test that was skipped."""
    if os.environ.get(ENTERED):
        return
    if reason := why_not():
        skip(reason)
    script = "mount -t tmpfs tmpfs /dev/shm && " + ("" if network else "ip link set lo up && ") + 'exec "$@"'
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.execvpe("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *([] if network else ["--net"]),
                           "sh", "-c", script, "sh", sys.executable, "-B", *sys.argv], {**os.environ, ENTERED: "1"})


def prepare(build):
    """What every test here needs: podman that runs containers, with everything gone that it left of an earlier run, and the image.
    Once, before the tests: where it cannot be had they are skipped; whatever fails afterwards is a failure."""
    TestCase.environment = environment(build)
    for name in ("run", "tmp"):  # To podman this is a machine that was restarted.
        shutil.rmtree(folder(build) / name, ignore_errors=True)
    sweep_cgroups()
    TestCase.podman("rm", "--force", "--all")
    for image in (BASE, IMAGE):
        if TestCase.podman("image", "exists", image, check=False).returncode != 0:
            skip(f"there is no {image}: build_image.py did not make it")
    trial = TestCase.run_once(f"{CGROUP}-{os.getpid()}-{harness.SEED}", BASE, "/bin/true", check=False)
    if trial.returncode != 0:
        skip(f"podman cannot run containers here: {trial.stderr[-500:]}")


def main():
    """As harness.main()."""
    enter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--fetchd", required=True)
    prepare(build_of(parser.parse_known_args()[0].fetchd))
    harness.main()


def cgroups(name):
    """Those of this name, one for all controllers or one for each, and what is in them: the innermost first."""
    hierarchy = pathlib.Path("/sys/fs/cgroup")
    return [pathlib.Path(group) for place in (hierarchy, *(path for path in hierarchy.glob("*/") if not path.is_symlink()))
            for group, _, _ in os.walk(place / name, topdown=False)]


def try_to_remove_cgroups(name):
    """True when none is left."""
    for group in cgroups(name):
        with contextlib.suppress(OSError):  # Busy, for as long as a process in it has not quite ended.
            group.rmdir()
    return not cgroups(name)


def remove_cgroups(name):
    harness.wait_for(lambda: try_to_remove_cgroups(name), f"the cgroups {name} are empty")


def sweep_cgroups():
    """Of tests that were killed. One with a process in it is another test's, and the kernel keeps it."""
    hierarchy = pathlib.Path("/sys/fs/cgroup")
    for name in {path.name for pattern in (f"{CGROUP}-*", f"*/{CGROUP}-*") for path in hierarchy.glob(pattern)}:
        try_to_remove_cgroups(name)


def read_line(process, seconds=60):
    """The next line of its output; "" when it ends, and it is ended when it says nothing for so long."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()


class TestCase(harness.TestCase):
    """With the image of this build's programs."""

    environment = None

    @classmethod
    def setUpClass(cls):
        cgroup = f"{CGROUP}-{os.getpid()}-{harness.SEED}"
        cls.cgroup = f"/{cgroup}"
        inside = cls.run_once(cgroup, IMAGE, "/usr/bin/sha256sum", "/usr/bin/fetchd").stdout.split()[0]
        cls.addClassCleanup(remove_cgroups, cgroup)
        if inside != harness.sha256(HANDED_OVER):
            raise AssertionError(f"/usr/bin/fetchd in {IMAGE} is not {HANDED_OVER}: build_image.py makes it anew")

    @classmethod
    def podman(cls, *arguments, check=True, timeout=120):
        run = subprocess.run(["podman", *map(str, arguments)], env=cls.environment, capture_output=True, text=True, timeout=timeout,
                             stdin=subprocess.DEVNULL)
        if check and run.returncode != 0:
            raise AssertionError(f"podman {arguments} ended with {run.returncode}: {run.stdout[-1000:]} {run.stderr[-2000:]}")
        return run

    @classmethod
    def run_once(cls, cgroup, image, program, *arguments, check=True):
        """With nothing taken away that a machine may be unable to take away."""
        try:
            return cls.podman("run", "--rm", "--network", "host", "--cgroup-parent", f"/{cgroup}", "--entrypoint", program, image,
                              *arguments, check=check)
        finally:
            remove_cgroups(cgroup)

    @classmethod
    def hardened(cls):
        """As k8s/ runs it: see the pod's securityContext. Health is asked for by the tests themselves."""
        return ("--network", "host", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL",
                "--security-opt", "no-new-privileges", "--memory", "256m", "--memory-swap", "256m", "--pids-limit", "128",
                "--cgroup-parent", cls.cgroup, "--health-interval", "disable")

    def limit(self, pid, *names):
        """What a cgroup of the process says of itself: the first of these files that is there, of cgroup v2 and v1."""
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for name in names:
                file = pathlib.Path("/sys/fs/cgroup", controllers, path.strip("/"), name)
                if file.exists():
                    return int(file.read_text().split()[0])
        raise AssertionError(f"no cgroup of {pid} has any of {names}")


class Container(harness.Server):
    """A fetchd in a container. Every container has the test's network, and an address of loopback of its own."""

    def __init__(self, test, name, number, *settings):
        super().__init__(test.folder, *settings)
        self.test, self.name = test, name
        self.address, self.admin_address = f"127.0.0.{number}:7070", f"127.0.0.{number}:7071"
        self.data = test.folder / name
        self.data.mkdir()
        os.chown(self.data, USER, USER)
        self.variables = {"FETCHD_GRPC_LISTEN": self.address, "FETCHD_ADMIN_LISTEN": self.admin_address, "FETCHCTL_SERVER": self.address,
                          "FETCHD_LIMITS_BUFFER_BYTES": "64MiB"}
        self.options = ["--volume", f"{self.data}:/var/lib/fetchd"]
        test.addCleanup(test.podman, "rm", "--force", "--time", "0", name, check=False)

    def start(self, *arguments):
        variables = [word for name, value in self.variables.items() for word in ("--env", f"{name}={value}")]
        settings = [word for setting in self.settings[3:] for word in ("--set", setting)]  # Without the harness's own addresses.
        self.test.podman("rm", "--force", "--time", "0", "--ignore", self.name)
        self.test.podman("run", "--detach", "--name", self.name, *self.test.hardened(), *variables, *self.options, IMAGE,
                         *settings, *arguments)
        harness.wait_for(self.is_serving, f"{self.name} serves", 60)
        return self

    def is_serving(self):
        if self.inspect("{{.State.Status}}") == "exited":
            raise AssertionError(f"{self.name} ended with {self.exit_code()}:\n{self.log_text()}")
        return self.ctl("health", check=False).returncode == 0

    def inspect(self, template):
        return self.test.podman("inspect", self.name, "--format", template).stdout.strip()

    def exit_code(self):
        return int(self.inspect("{{.State.ExitCode}}"))

    def pid(self):
        return int(self.inspect("{{.State.Pid}}"))

    def log_text(self):
        run = self.test.podman("logs", self.name, check=False)
        return run.stdout + run.stderr

    def stop(self, seconds=60):
        self.test.podman("stop", "--time", seconds, self.name)
        return self.exit_code()

    def kill(self):
        self.test.podman("kill", self.name, check=False)
