#!/usr/bin/env python3
"""Bad input at each edge: a message that names what is wrong, the right exit code, and nothing half-done."""
import os
import pathlib
import sqlite3
import subprocess
import unittest

import harness

LONG_URL = "https://example.org/" + "a" * 9000

# name, arguments of `fetchctl submit`, exit code, what the message must name
SUBMIT_TABLE = [
    ("url_without_scheme", ["example.org/a"], 2, "url"),
    ("url_with_another_scheme", ["ftp://example.org/a"], 2, "http"),
    ("url_with_credentials", ["https://user:secret@example.org/"], 2, "credentials|userinfo"),
    ("url_in_octal", ["http://0177.0.0.1/"], 2, "without leading zeros"),
    ("url_too_long", [LONG_URL], 2, "8,?192|long"),
    ("url_of_a_private_address", ["http://10.0.0.1/"], 5, "(?i)private|not allowed"),
    ("url_of_cloud_metadata", ["http://169.254.169.254/latest/"], 5, "(?i)link|metadata|not allowed"),
    ("header_without_colon", ["--header", "nocolon", "{url}"], 2, "(?i)header"),
    ("header_that_we_own", ["--header", "Host: other.example", "{url}"], 2, "(?i)host"),
    ("header_with_line_break", ["--header", "X: a\r\nY: b", "{url}"], 2, "(?i)header|value"),
    ("digest_too_short", ["--sha256", "abcd", "{url}"], 2, "(?i)digest|sha256"),
    ("digest_not_hex", ["--sha256", "z" * 64, "{url}"], 2, "(?i)digest|sha256"),
    ("destination_absolute", ["--to", "file:/etc/passwd", "{url}"], 2, "(?i)destination|absolute|relative"),
    ("destination_climbing", ["--to", "file:../out", "{url}"], 2, r"(?i)destination|\.\."),
    ("destination_of_unknown_kind", ["--to", "gopher:x", "{url}"], 2, "(?i)destination"),
    ("destination_with_unknown_placeholder", ["--to", "file:{colour}", "{url}"], 2, "colour"),
    ("label_key_in_capitals", ["--label", "KEY=v", "{url}"], 2, "(?i)label|key"),
    ("label_without_equals", ["--label", "novalue", "{url}"], 2, "(?i)label"),
    ("priority_too_high", ["--priority", "101", "{url}"], 2, "(?i)priority|range"),
    ("priority_no_number", ["--priority", "high", "{url}"], 2, "(?i)priority"),
    ("deadline_no_duration", ["--deadline", "soon", "{url}"], 2, "(?i)deadline|duration"),
    ("no_url_at_all", [], 2, "(?i)url"),
    ("manifest_that_is_not_there", ["-i", "/nowhere/manifest"], 2, "/nowhere/manifest"),
]

# name, line of the manifest, what the message must name
MANIFEST_TABLE = [
    ("json_cut_short", '{"url": "http://127.0.0.1/', "2"),
    ("json_without_url", '{"destination": "file:a"}', "url"),
    ("json_with_unknown_field", '{"url": "http://127.0.0.1/a", "colour": "red"}', "colour"),
    ("json_with_a_wrong_type", '{"url": 7}', "url"),
    ("line_that_is_no_url", "not a url", "2"),
]

# name, settings, what the message must name
CONFIG_TABLE = [
    ("unknown_key", ["limits.colour=red"], "limits.colour"),
    ("value_of_a_wrong_type", ["limits.connections=many"], "limits.connections"),
    ("value_out_of_range", ["limits.connections=0"], "limits.connections"),
    ("address_that_is_none", ["grpc.listen=nowhere"], "grpc.listen"),
    ("admin_address_that_is_none", ["admin.listen=nowhere"], "admin.listen"),
    ("rule_that_is_none", ['egress.allow=["300.0.0.1/8"]'], "egress.allow"),
    ("duration_that_is_none", ["shutdown.grace=soon"], "shutdown.grace"),
    ("store_of_another_kind", ["store.url=mysql://x"], "store.url"),
    ("setting_without_equals", ["limits.connections"], "limits.connections"),
    ("more_connections_than_descriptors", ["limits.connections=100000000"], "limits.connections|RLIMIT_NOFILE"),
    ("two_errors_are_both_told", ["limits.colour=red", "shutdown.grace=soon"], "(?s)limits.colour.*shutdown.grace|shutdown.grace.*limits.colour"),
]


class SubmitTest(harness.TestCase):
    def test_each_bad_submission_is_refused_and_creates_nothing(self):
        nginx = self.start_nginx()
        good = nginx.add("good", b"good")
        server = self.start_server()
        for name, arguments, code, message in SUBMIT_TABLE:
            with self.subTest(name):
                run = server.ctl("submit", *(good if a == "{url}" else a for a in arguments), check=False)

                self.assertEqual(run.returncode, code, run.stderr)
                self.assertRegex(run.stderr, message)
                self.assertNotIn("secret", run.stdout + run.stderr)
        self.assertEqual(server.counts(), {})
        self.assertEqual(server.files(), [])
        self.assertEqual(nginx.requests(), [])

    def test_a_bad_line_of_a_manifest_is_named(self):
        nginx = self.start_nginx()
        good = nginx.add("good", b"good")
        server = self.start_server()
        for name, line, message in MANIFEST_TABLE:
            with self.subTest(name):
                manifest = self.folder / name
                manifest.write_text(f"{good}\tfile:{name}\n{line}\n")

                run = server.ctl("submit", "-i", manifest, check=False)

                self.assertNotEqual(run.returncode, 0)
                self.assertRegex(run.stderr, message)

    def test_a_request_id_that_stands_for_another_job_is_refused(self):
        nginx = self.start_nginx()
        server = self.start_server()
        server.ctl("submit", "--wait", "--request-id", "same", nginx.add("a", b"a"))

        run = server.ctl("submit", "--request-id", "same", nginx.add("b", b"b"), check=False)

        self.assertNotEqual(run.returncode, 0)
        self.assertRegex(run.stderr, "(?i)request.id|already")
        self.assertEqual(server.counts(), {"SUCCEEDED": 1})

    def test_bytes_that_do_not_match_their_digest_never_appear(self):
        nginx = self.start_nginx()
        server = self.start_server()

        run = server.ctl("submit", "--wait", "--to", "file:wrong", "--sha256", "0" * 64, nginx.add("a", b"a"), check=False)

        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr + run.stdout, "(?i)digest|sha256|data_loss")
        self.assertEqual(server.files(), [])


class StartTest(harness.TestCase):
    def refuses_to_start(self, server, message, *more, environment=None):
        run = subprocess.run(server.command(*more), capture_output=True, text=True, timeout=30, cwd=server.folder,
                             stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        self.assertNotIn(run.returncode, (0, None))
        self.assertGreater(run.returncode, 0, "it must refuse, not crash")
        self.assertRegex(run.stderr + run.stdout, message)
        return run

    def test_each_bad_setting_is_named(self):
        for name, settings, message in CONFIG_TABLE:
            with self.subTest(name):
                server = self.new_server()

                self.refuses_to_start(server, message, *settings)

                self.assertFalse(server.data.exists(), "a refused configuration must not make anything")

    def test_a_bad_configuration_file_is_refused_with_its_line(self):
        server = self.new_server()
        config = self.folder / "config.yaml"
        config.write_text("limits:\n  connections: 10\n  colour: red\n")

        run = subprocess.run([harness.binaries["fetchd"], "--config", config, "--check-config"], capture_output=True,
                             text=True, timeout=30, cwd=server.folder)

        self.assertNotEqual(run.returncode, 0)
        self.assertRegex(run.stderr + run.stdout, r"config\.yaml:3|line 3")
        self.assertRegex(run.stderr + run.stdout, "colour")

    def test_a_good_configuration_passes_the_check_and_makes_nothing(self):
        server = self.new_server()

        run = subprocess.run([*server.command(), "--check-config"], capture_output=True, text=True, timeout=30)

        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertFalse(server.data.exists())

    def test_a_data_directory_in_use_is_refused(self):
        first = self.start_server()
        second = self.new_server()
        second.settings[0] = f"data_dir={first.data}"

        self.refuses_to_start(second, "(?i)in use|another process|lock")

        self.assertEqual(first.ctl("status").returncode, 0)

    def test_a_port_that_is_taken_is_named(self):
        first = self.start_server()
        second = self.new_server(f"grpc.listen={first.address}")

        self.refuses_to_start(second, f"{first.port}")

    def test_an_admin_port_that_is_taken_is_named(self):
        first = self.start_server()
        second = self.new_server(f"admin.listen={first.admin_address}")

        self.refuses_to_start(second, f"admin.listen: {first.admin_address} is in use")

    def test_state_of_a_newer_version_is_left_alone(self):
        server = self.start_server()
        self.assertEqual(server.stop(), 0)
        database = next(path for path in server.data.rglob("*") if path.is_file() and
                        path.read_bytes()[:15] == b"SQLite format 3")
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA user_version = 99999")
        connection.close()
        before = database.read_bytes()

        self.refuses_to_start(server, "(?i)newer|version")

        self.assertEqual(database.read_bytes(), before)

    def test_state_that_is_no_database_is_refused(self):
        server = self.start_server()
        self.assertEqual(server.stop(), 0)
        database = next(path for path in server.data.rglob("*") if path.is_file() and
                        path.read_bytes()[:15] == b"SQLite format 3")
        database.write_bytes(b"this is not a database\n" * 1000)

        self.refuses_to_start(server, "(?i)database|damaged|not a")


@unittest.skipUnless(os.geteuid() == 0, "SKIPPED LOUDLY: mounting a small disk needs root")
class SmallDiskTest(harness.TestCase):
    def mount(self, folder, options):
        run = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
        if run.returncode != 0:
            self.skipTest(f"SKIPPED LOUDLY: cannot mount a tmpfs here: {run.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)], check=False)

    def test_a_full_disk_fails_the_job_and_leaves_no_bytes(self):
        server = self.new_server()
        files = self.folder / "small"
        files.mkdir()
        self.mount(files, "size=4m")
        server.settings.append(f"files.root={files}")
        server.start()
        nginx = self.start_nginx()
        small, large = nginx.add("small", b"s" * 1000), nginx.add("large", harness.pattern(16 << 20))

        run = server.ctl("submit", "--wait", "--to", "file:large", large, check=False, timeout=60)

        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertRegex(run.stderr + run.stdout, "(?i)space|disk|RESOURCE_EXHAUSTED")
        self.assertFalse((files / "large").exists())
        server.ctl("submit", "--wait", "--to", "file:small", small)
        self.assertEqual((files / "small").read_bytes(), b"s" * 1000)

    def test_a_read_only_data_directory_is_refused(self):
        server = self.new_server()
        server.data.mkdir()
        self.mount(server.data, "size=4m,ro")

        run = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, cwd=server.folder)

        self.assertGreater(run.returncode, 0)
        self.assertRegex(run.stderr + run.stdout, "(?i)read-only|permission|writ")
        self.assertEqual(list(pathlib.Path(server.data).iterdir()), [])


if __name__ == "__main__":
    harness.main()
