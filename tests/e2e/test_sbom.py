#!/usr/bin/env python3
"""scripts/sbom: what it says of the programs that were built is so, and is CycloneDX. scripts/package: what it packs with that."""
import functools
import hashlib
import json
import os
import pathlib
import subprocess
import tarfile

import harness

REPOSITORY = pathlib.Path(__file__).parents[2]
SCHEMAS = REPOSITORY / "tests/corpora/cyclonedx"
# For Debian's Python, which has Debian's jsonschema; it finds the other schemas by their $id.
VALIDATE = """
import json, pathlib, sys
import jsonschema
schemas = {schema["$id"]: schema for schema in (json.loads(path.read_text()) for path in pathlib.Path(sys.argv[1]).glob("*.json"))}
schemas |= {name.replace(".schema", ".SNAPSHOT.schema"): schema for name, schema in schemas.items()}
schema = schemas["http://cyclonedx.org/schema/bom-1.5.schema.json"]
validator = jsonschema.Draft7Validator(schema, resolver=jsonschema.RefResolver(schema["$id"], schema, store=schemas))
for error in validator.iter_errors(json.load(sys.stdin)):
    print(f"{list(error.absolute_path)}: {error.message[:300]}")
"""


def validate(document):
    run = subprocess.run(["/usr/bin/python3", "-c", VALIDATE, SCHEMAS], input=json.dumps(document), capture_output=True, text=True)
    return run.stdout + run.stderr


def installed_version(package):
    return subprocess.run(["dpkg-query", "-W", "--showformat=${Version}", package], capture_output=True, text=True, check=True).stdout


@functools.cache
def bill():
    build = next(folder for folder in pathlib.Path(harness.binaries["fetchd"]).parents if (folder / "build.ninja").exists())
    run = subprocess.run([REPOSITORY / "scripts/sbom", build], capture_output=True, text=True, timeout=400,
                         env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1767225600"})
    if run.returncode != 0:
        raise AssertionError(run.stderr)
    return json.loads(run.stdout)


class SbomCase(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.document = bill()
        cls.components = {component["name"]: component for component in cls.document["components"]}
        cls.depends = {entry["ref"]: entry["dependsOn"] for entry in cls.document["dependencies"]}

    def ways(self, package):
        return {entry["value"] for entry in self.components[package].get("properties", []) if entry["name"] == "fetchd:from"}


class SbomTest(SbomCase):
    def test_it_follows_the_schema(self):
        self.assertEqual(validate(self.document), "")
        self.assertIn("version", validate({**self.document, "version": "new"}), "the schema takes anything")

    def test_libraries_have_the_versions_that_are_installed(self):
        for package, way in {"libssl3": "shared library", "libgrpc++1.51": "shared library", "libgrpc29": "shared library",
                             "libprotobuf32": "shared library", "libsqlite3-0": "shared library", "libpq5": "shared library", "libc-ares2": "shared library",
                             "libboost1.81-dev": "headers", "libcli11-dev": "headers", "libc6": "shared library",
                             "libc6-dev": "linked in"}.items():
            with self.subTest(package):
                self.assertIn(way, self.ways(package))
                self.assertEqual(self.components[package]["version"], installed_version(package))
                self.assertIn(f"pkg:deb/debian/{package.replace('+', '%2B')}@", self.components[package]["purl"])

    def test_programs_are_the_ones_that_were_built(self):
        for name in ("fetchd", "fetchctl"):
            content = pathlib.Path(harness.binaries[name]).read_bytes()
            self.assertEqual(self.components[name]["hashes"], [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}])
        self.assertIn("libsqlite3-0", self.depends["fetchd"])
        self.assertNotIn("libsqlite3-0", self.depends["fetchctl"])
        self.assertIn("libpq5", self.depends["fetchd"])
        self.assertNotIn("libpq5", self.depends["fetchctl"])
        self.assertIn("libssl3", self.depends["libgrpc29"])

    def test_the_time_is_the_one_that_was_given(self):
        self.assertEqual(self.document["metadata"]["timestamp"], "2026-01-01T00:00:00Z")

    def test_a_folder_without_a_build_is_refused(self):
        run = subprocess.run([REPOSITORY / "scripts/sbom", self.folder], capture_output=True, text=True)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("no build folder", run.stderr)


class PackageTest(SbomCase):
    """Of stand-ins for the programs: what is in them is no matter here."""
    PROGRAMS = ("fetchd", "fetchctl")

    def setUp(self):
        super().setUp()
        self.dist = self.folder / "dist"
        self.dist.mkdir()
        for name in self.PROGRAMS:
            (self.dist / name).write_bytes(harness.pattern(100_000))
            (self.dist / name).chmod(0o755)
            (self.dist / f"{name}.debug").write_bytes(b"debug " + name.encode())
        (self.dist / "sbom.cdx.json").write_text(json.dumps(self.document))

    def package(self, output, umask=0o022, **environment):
        return subprocess.run([REPOSITORY / "scripts/package", self.dist, self.folder / output], capture_output=True, text=True, umask=umask,
                              env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1767225600", **environment})

    def archives(self, output):
        return {path.name: path.read_bytes() for path in (self.folder / output).iterdir()}

    def test_the_same_input_makes_the_same_bytes_whoever_packs_when_and_where(self):
        first = self.package("first")
        self.assertEqual(first.returncode, 0, first.stderr)
        for number, path in enumerate(sorted(self.dist.iterdir())):
            os.utime(path, (number, number))
        again = self.package("second", umask=0o077, TZ="Asia/Tokyo", LC_ALL="C.UTF-8", XZ_DEFAULTS="--threads=0", TAR_OPTIONS="--owner=a")

        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(self.archives("first"), self.archives("second"))

    def test_it_has_what_an_installation_needs_and_the_terms_of_all_that_is_inside(self):
        self.assertEqual(self.package("out").returncode, 0)
        (name,) = [name for name in self.archives("out") if name.endswith(".tar.xz") and "debug" not in name]
        with tarfile.open(self.folder / "out" / name) as archive:
            members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
        self.assertLessEqual({"bin/fetchd", "bin/fetchctl", "sbom.cdx.json", "systemd/fetchd.service", "doc/README.md", "doc/SECURITY.md",
                              "doc/docs/operate.md", "doc/proto/fetchd/v1/job.proto"}, set(members))
        inside = {component for component in self.components if self.ways(component) & {"linked in", "headers"}}
        self.assertEqual({name.removeprefix("licences/") for name in members if name.startswith("licences/")}, inside)
        self.assertIn("libboost1.81-dev", inside)
        for member in members.values():
            self.assertEqual((member.uid, member.gid, member.mtime), (0, 0, 1767225600), member.name)
            self.assertEqual(member.mode, 0o755 if member.isdir() or member.name.endswith(("/fetchd", "/fetchctl")) else 0o644, member.name)

    def test_the_sums_are_those_of_the_archives(self):
        self.assertEqual(self.package("out").returncode, 0)
        archives = self.archives("out")
        sums = dict(reversed(line.split("  ")) for line in archives.pop("SHA256SUMS").decode().splitlines())
        self.assertEqual(sums, {name: hashlib.sha256(content).hexdigest() for name, content in archives.items()})
        self.assertEqual(len(sums), 2)

    def test_what_is_missing_is_said_and_nothing_is_packed(self):
        (self.dist / "fetchctl").unlink()
        run = self.package("out")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("fetchctl is not there", run.stderr)
        self.assertFalse((self.folder / "out").exists())
        (self.dist / "fetchctl").touch()
        self.assertIn("is no number of seconds", self.package("out", SOURCE_DATE_EPOCH="today").stderr)


if __name__ == "__main__":
    harness.main()
