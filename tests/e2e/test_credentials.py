#!/usr/bin/env python3
"""Credentials and conditions as people and operators give them, against Apache and nginx."""
import hashlib
import json
import pathlib
import subprocess

import harness

USER, PASSWORD = "reader", "canary-password"
MODULES = pathlib.Path("/usr/lib/apache2/modules")


class Apache:
    """Serves one file to who authenticates by Digest as USER."""

    def __init__(self, folder):
        self.folder, self.port = pathlib.Path(folder), harness.free_port()
        (self.folder / "www").mkdir(parents=True)
        (self.folder / "www" / "file").write_text("for members")
        ha1 = hashlib.md5(f"{USER}:members:{PASSWORD}".encode()).hexdigest()
        (self.folder / "htdigest").write_text(f"{USER}:members:{ha1}\n")
        for path in (self.folder, self.folder / "www"):
            path.chmod(0o755)
        modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in
                          ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_digest"))
        (self.folder / "apache.conf").write_text(f"""
ServerName 127.0.0.1
ServerRoot {self.folder}
DefaultRuntimeDir {self.folder}
PidFile {self.folder}/pid
ErrorLog {self.folder}/error.log
Listen 127.0.0.1:{self.port}
User nobody
Group nogroup
{modules}
DocumentRoot {self.folder}/www
<Location />
  AuthType Digest
  AuthName members
  AuthDigestProvider file
  AuthUserFile {self.folder}/htdigest
  Require valid-user
</Location>
""")
        self.process = subprocess.Popen(["/usr/sbin/apache2", "-X", "-f", self.folder / "apache.conf"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.wait_for(lambda: harness.accepts_connections(self.port), "Apache listens")

    def stop(self):
        self.process.kill()
        self.process.wait()


class DigestTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        apache = Apache(self.folder / "apache")
        self.addCleanup(apache.stop)
        self.origin = f"127.0.0.1:{apache.port}"
        self.url = f"http://{self.origin}/file"

    def secret(self, name, content):
        path = self.folder / name
        path.write_text(content)
        path.chmod(0o600)
        return path

    def assert_no_canary(self, server, *texts):
        for text in texts:
            self.assertNotIn("canary", text)
        server.stop()
        for path in [server.log, *(p for p in server.data.rglob("*") if p.is_file())]:
            self.assertNotIn(b"canary", path.read_bytes(), path)

    def test_get_and_submit_answer_the_challenge(self):
        server = self.start_server("log.level=debug")
        login = self.secret("login", f"{USER}:{PASSWORD}\n")

        self.assertEqual(server.ctl("get", "--digest", "--user-file", login, self.url).stdout, "for members")
        name = server.submit(self.url, options=["--wait", "--digest", "--user", f"{USER}:{PASSWORD}"])[0]

        self.assertEqual(server.job(name)["state"], "SUCCEEDED")
        described = server.ctl("describe", name).stdout
        self.assertIn(f"Digest {USER}", described)
        self.assert_no_canary(server, json.dumps(server.job(name)), described)

    def test_a_wrong_password_fails_and_is_not_repeated(self):
        server = self.start_server()
        run = server.ctl("get", "--digest", "--user", f"{USER}:canary-wrong", self.url, check=False)

        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("401", run.stderr)
        self.assert_no_canary(server, run.stdout + run.stderr)

    def test_the_operators_credentials_are_for_their_origin(self):
        password = self.secret("password", PASSWORD)
        server = self.start_server(f"origins.{self.origin}.username={USER}", f"origins.{self.origin}.auth=digest",
                                   f"origins.{self.origin}.password_file={password}")

        self.assertEqual(server.ctl("get", self.url).stdout, "for members")
        self.assert_no_canary(server)

    def test_netrc_has_the_last_word(self):
        netrc = self.secret("netrc", f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
        server = self.start_server(f"auth.netrc_file={netrc}", f"origins.{self.origin}.auth=digest")

        self.assertEqual(server.ctl("get", self.url).stdout, "for members")

    def test_a_netrc_file_for_everybody_is_refused(self):
        netrc = self.secret("netrc", f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
        netrc.chmod(0o644)
        server = self.new_server(f"auth.netrc_file={netrc}")

        run = subprocess.run(server.command(), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

        self.assertEqual(run.returncode, 1)
        self.assertIn("auth.netrc_file", run.stderr)
        self.assertNotIn("canary", run.stderr)


class PartsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.server = self.start_server()
        self.body = b"0123456789" * 10_000
        self.url = self.nginx.add("body", self.body)

    def test_compressed_bodies_arrive_plain(self):
        self.nginx.add("page.html", b"<p>" + self.body)
        output = self.folder / "page"

        self.server.ctl("get", "--compressed", "-o", output, self.nginx.url("gzip/page.html"))

        self.assertEqual(output.read_bytes(), b"<p>" + self.body)
        name = self.server.submit(self.nginx.url("gzip/page.html"), options=["--wait", "--compressed"])[0]
        self.assertEqual(int(self.server.job(name)["result"]["size_bytes"]), len(self.body) + 3)

    def test_a_range_is_what_is_between(self):
        self.assertEqual(self.server.ctl("get", "--range", "5-9", self.url).stdout, "56789")
        self.assertIn(("/body", "206", "bytes=5-9"), self.nginx.requests())
        name = self.server.submit(self.url, options=["--wait", "-r", "99995-"])[0]
        self.assertEqual(self.server.ctl("read", name).stdout, "56789")

    def test_what_has_not_changed_is_not_fetched(self):
        output, etag = self.folder / "copy", self.folder / "etag"
        conditions = ["--etag-compare", etag, "--etag-save", etag, "-o", output]
        self.server.ctl("get", *conditions, self.url)
        self.assertEqual(output.read_bytes(), self.body)
        output.write_text("mine")

        run = self.server.ctl("get", *conditions, self.url)

        self.assertIn("not modified", run.stderr)
        self.assertEqual(output.read_text(), "mine")
        self.assertEqual(self.nginx.requests()[-1][1], "304")

    def test_a_job_that_has_nothing_to_do_succeeds(self):
        first = self.server.submit(self.url, options=["--wait", "--to", "file:copy"])[0]
        etag = self.server.job(first)["result"]["etag"]

        second = self.server.submit(self.url, options=["--wait", "--to", "file:copy", "--etag", etag])[0]

        job = self.server.job(second)
        self.assertEqual(job["state"], "SUCCEEDED")
        self.assertTrue(job["result"]["not_modified"])
        self.assertNotEqual(self.server.ctl("read", second, check=False).returncode, 0)
        self.assertEqual(self.server.ctl("read", first).stdout.encode(), self.body)


if __name__ == "__main__":
    harness.main()
