#!/usr/bin/env python3
"""scripts/sbom: what it says of the programs that were built is so, and is CycloneDX."""
import hashlib
import json
import pathlib
import subprocess

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


class SbomTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        build = next(folder for folder in pathlib.Path(harness.binaries["fetchd"]).parents if (folder / "build.ninja").exists())
        run = subprocess.run([REPOSITORY / "scripts/sbom", build], capture_output=True, text=True, timeout=400,
                             env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1767225600"})
        if run.returncode != 0:
            raise AssertionError(run.stderr)
        cls.document = json.loads(run.stdout)
        cls.components = {component["name"]: component for component in cls.document["components"]}
        cls.depends = {entry["ref"]: entry["dependsOn"] for entry in cls.document["dependencies"]}

    def ways(self, package):
        return {entry["value"] for entry in self.components[package]["properties"] if entry["name"] == "fetchd:from"}

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


if __name__ == "__main__":
    harness.main()
