#!/usr/bin/env python3
"""Secrets: they reach where they are for, and nothing else that fetchd writes or says holds them. Named ones, and keys."""
import base64
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import urllib.parse

import harness
from secret_origin import Origin
from test_proxy import Proxy

# How a text may be written: each finds it wherever it stands.


def needles(text):
    raw = text.encode()
    # In Base64 at each of three places; the ends depend on what stands beside it.
    shifted = [base64.b64encode(b"x" * shift + raw + b"x" * 3)[4:-8] for shift in range(3)]
    return [raw, raw.upper(), raw.hex().encode(), *shifted, *(part.replace(b"+", b"-").replace(b"/", b"_") for part in shifted)]


def holds(data, text):
    return any(needle in data for needle in needles(text))


class NeedlesTest(harness.TestCase):
    def test_what_is_there_is_found_however_it_is_written(self):
        text = secrets.token_hex(12)
        for before in range(6):
            padded = b"a" * before + text.encode() + b"z" * before
            for written in (padded, base64.b64encode(padded), base64.urlsafe_b64encode(padded), padded.hex().encode(),
                            padded.upper(), urllib.parse.quote(padded + b"/+=", safe="").encode()):
                self.assertTrue(holds(b"\x00{" + written + b"}\n", text), written)
        self.assertFalse(holds(b"another text, of which nothing is here", text))


class SecretsCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        # One that asks for time gets it from all jobs.
        self.origin, self.other, self.busy = (self.new_origin() for _ in range(3))
        self.planted = {}  # What of it nobody may see, by where it was planted.
        self.said = []     # All that fetchctl printed, and the metrics.

    def new_origin(self):
        origin = Origin()
        self.addCleanup(origin.stop)
        return origin

    def plant(self, where):
        """Of characters that Base64, URLs and JSON write in other ways, too."""
        core = secrets.token_hex(12)
        self.planted[where] = core
        return f"pw+{core}/="

    def file(self, name, content):
        path = self.folder / name
        path.write_text(content)
        path.chmod(0o600)
        return path

    def secret_file(self, where):
        return self.file(where, self.plant(where) + "\n")

    def ctl(self, server, *arguments, typed=(), **options):
        """`typed`: what `check` is asked about, and repeats."""
        run = server.ctl(*arguments, check=False, **options)
        text = run.stdout + run.stderr
        for given in typed:
            text = text.replace(given, "")
        self.said.append(text)
        return run

    def ok(self, server, *arguments, **options):
        run = self.ctl(server, *arguments, **options)
        self.assertEqual(run.returncode, 0, (arguments, run.stdout, run.stderr))
        return run

    def submit(self, server, url, *options, code=0):
        """The name, when it is taken."""
        run = self.ctl(server, "submit", "-o", "json", *options, url)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return json.loads(run.stdout.splitlines()[0])["name"] if run.stdout else None

    def written(self, server):
        """By path: the log, and all files of the data directory but its key."""
        files = [server.log, *(path for path in server.data.rglob("*") if path.is_file() and path.name != "fetchd.key")]
        return {str(path): path.read_bytes() for path in files}

    def look(self, server):
        """What can be asked about all that there is."""
        for job in server.json("list"):
            for command in ("describe", "explain"):
                for form in ("json", "table"):
                    self.ok(server, command, job["name"], "-o", form)
            if job["state"] in harness.TERMINAL:
                self.ctl(server, "watch", job["name"], "-o", "json")
        for arguments in (["list", "-o", "wide"], ["list", "-o", "json"], ["status", "-o", "json"], ["status", "-o", "wide"],
                          ["origins", "-o", "json"], ["batch", "list", "-o", "json"]):
            self.ok(server, *arguments)
        for batch in self.ok(server, "batch", "list", "-o", "name").stdout.split():
            self.ok(server, "batch", "describe", batch)
            for form in ("json", "csv"):
                self.ok(server, "batch", "results", batch, "-o", form)
        self.said.append(server.health("/metrics")[1])

    def assert_nowhere(self, server):
        places = self.written(server)
        places["what was said"] = "\n".join(self.said).encode()
        for where, core in self.planted.items():
            for place, data in places.items():
                self.assertFalse(holds(data, core), f"{where} is in {place}")
        return places


class NowhereTest(SecretsCase):
    """Everything that a caller or the operator can give, in every way that a job can go."""

    def setUp(self):
        super().setUp()
        proxy = Proxy(self.folder)
        self.addCleanup(proxy.stop)
        self.proxy_password = "canary-of-the-proxy"
        self.planted["proxy password"] = self.proxy_password
        token = self.folder / "caller.token"
        entry = subprocess.run([harness.binaries["fetchctl"], "token", token, "--principal", "ci", "--role", "admin"],
                               check=True, capture_output=True, text=True).stdout
        self.planted["caller token"] = token.read_text().strip().removeprefix("fetchd_")
        callers = self.file("callers.yaml", f"tokens:\n{entry}")
        self.theirs = self.new_origin()  # For which the operator has a login.
        self.origin.target = self.other.url(f"body?sig={urllib.parse.quote(self.plant('redirect'), safe='')}")
        named = self.secret_file("named secret")
        self.server = self.new_server(
            "log.level=debug", f"callers.file={callers}", "retry.base_delay=10ms", "retry.max_delay=20ms", "retry.max_attempts=2",
            "breaker.failures=0",
            f"proxies.corp.url=socks5://127.0.0.1:{proxy.port}", "proxies.corp.username=me",
            f"proxies.corp.password_file={self.file('proxy', self.proxy_password)}",
            f"origins.{self.theirs.address}.username=op", f"origins.{self.theirs.address}.password_file={self.secret_file('operator password')}",
            f"stores.lab.endpoint=http://{self.other.address}", "stores.lab.path_style=true", "stores.lab.credentials=static",
            "stores.lab.access_key_id=AKID", f"stores.lab.secret_access_key_file={self.secret_file('store key')}",
            f"stores.lab.session_token_file={self.secret_file('session token')}",
            f"secrets.named.repo.file={named}", f'secrets.named.repo.hosts=["{self.origin.address}"]', "secrets.named.repo.tenants=[default]")
        self.server.connect = ["--token-file", token]
        self.control = f"control-{secrets.token_hex(8)}"

    def signed(self, path, where, origin=None):
        parameters = ["X-Amz-Signature", "sig", "Signature", "token", "access_token", "X-Amz-Security-Token", "X-Goog-Signature", "api_key"]
        query = "&".join(f"{name}={urllib.parse.quote(self.plant(f'{name} of {where}'), safe='')}" for name in parameters)
        return (origin or self.origin).url(f"{path}?version=7&{query}")

    def with_headers(self, where):
        return [word for name in ("Authorization", "Cookie", "X-Api-Key", "X-Whatever")
                for word in ("--header", f"{name}: {self.plant(f'{name} of {where}')}")]

    def logins(self):
        """A job with each kind of credentials."""
        password, digest, bearer = (self.secret_file(name) for name in ("basic password", "digest password", "bearer token"))
        user_file = self.file("user", f"user:{self.plant('user file')}\n")
        return [("body?basic", ["--user", "user", "--password-file", password]), ("digest", ["--digest", "--user", "user", "--password-file", digest]),
                ("body?bearer", ["--bearer-file", bearer]), ("body?file", ["--user-file", user_file]),
                ("body?named", ["--bearer-secret", "repo"]), ("body?header", ["--header-secret", "X-Token=repo"]),
                ("denied?named", ["--user", "user", "--password-secret", "repo"]), ("digest?named", ["--digest", "--user", "user", "--password-secret", "repo"])]

    def test_no_secret_is_in_what_is_written_or_said(self):
        server = self.server.start()
        label = ["--label", f"control={self.control}"]
        ends = {}
        # They succeed, fail, are tried again, redirected, refused; through a proxy, to a store.
        for path, options in self.logins():
            ends[self.submit(server, self.origin.url(path), *label, *options)] = "FAILED" if path.startswith("denied") else "SUCCEEDED"
        for path in ("body", "missing", "cut", "denied"):
            name = self.submit(server, self.signed(path, path), *label, *self.with_headers(path))
            ends[name] = "SUCCEEDED" if path == "body" else "FAILED"
        ends[self.submit(server, self.origin.url("to"), *label, *self.with_headers("redirected"))] = "SUCCEEDED"
        ends[self.submit(server, self.origin.url("to?named"), *label, "--header-secret", "Cookie=repo")] = "SUCCEEDED"
        ends[self.submit(server, self.signed("body", "proxied"), *label, "--proxy", "corp")] = "SUCCEEDED"
        ends[self.submit(server, self.theirs.url("body"), *label)] = "SUCCEEDED"
        ends[self.submit(server, self.origin.url("body"), *label, "--to", "s3+lab://bucket/key")] = "FAILED"
        waiting = self.submit(server, self.signed("busy", "waiting", self.busy), *label, *self.with_headers("waiting"), "--request-id", "once")
        running = self.submit(server, self.signed("slow", "running"), *label, *self.with_headers("running"))
        for name, end in ends.items():
            self.ctl(server, "watch", name, "-o", "json", timeout=60)
            self.assertEqual(server.job(name)["state"], end, name)
        harness.wait_for(lambda: server.job(waiting)["state"] == "WAITING" and self.origin.shown("slow"), "one waits and one runs")
        self.refusals(server)
        self.streams(server)
        self.batch(server, label)
        self.look(server)
        server.kill()
        self.assert_nowhere(server)

        # What was in clear to the process has to be read again, and with another key.
        key = server.data / "fetchd.key"
        key.write_text(f"{secrets.token_hex(32)}\n{key.read_text()}")
        self.planted.update({f"key {i}": line for i, line in enumerate(key.read_text().split())})
        self.origin.release.set()
        server.start()
        harness.wait_for(lambda: server.job(running)["state"] not in ("QUEUED", "RUNNING", "INTERRUPTED"), "it ran again")
        self.look(server)
        self.ok(server, "cancel", waiting)
        self.ok(server, "delete", running)
        places = self.assert_nowhere(server)
        self.assertEqual(server.stop(), 0)
        self.assert_nowhere(server)

        self.assert_reached()
        # And this test can find what there is.
        for place in ("fetchd.db", "what was said"):
            self.assertTrue(any(path.endswith(place) and holds(data, self.control) for path, data in places.items()), place)
        self.assertIn("version=7", "\n".join(self.said), "what of a query is no signature is there to be seen")
        self.assertIn("[redacted]", "\n".join(self.said))

    def refusals(self, server):
        """None of them is repeated by what refuses it."""
        secret = self.plant("userinfo")
        for url in (self.origin.url("body").replace("http://", f"http://user:{urllib.parse.quote(secret, safe='')}@"),
                    f"http://169.254.169.254/?token={self.plant('denied URL')}", f"ftp://h/?sig={self.plant('unknown scheme')}"):
            for command in (["submit"], ["get", "-o", "-"], ["check", "-o", "json"]):
                is_check = command[0] == "check"
                headers = [] if is_check else self.with_headers(f"{command[0]} {url[:20]}")
                self.ctl(server, *command, *headers, url, typed=[url] if is_check else [])
        self.submit(server, self.origin.url("body"), "--header", f"Host: {self.plant('refused header')}", code=2)
        self.submit(server, self.origin.url("body"), "--header", f"X-Bad: a\x01{self.plant('control character')}", code=2)
        self.submit(server, self.origin.url("body"), "--bearer-file", self.file("spaced", f"a {self.plant('spaced token')}\n"), code=2)
        self.submit(server, self.other.url("body"), "--bearer-secret", "repo", code=5)
        self.ctl(server, "submit", self.signed("busy", "waiting again", self.busy), "--request-id", "once")

    def streams(self, server):
        for path in ("body", "missing", "cut"):
            self.ctl(server, "get", "-o", "-", *self.with_headers(f"stream {path}"), self.signed(path, f"stream {path}"))
        self.ok(server, "get", "-o", "-", "--bearer-secret", "repo", self.origin.url("body?stream"))

    def batch(self, server, label):
        entries = [{"url": self.signed("body", "entry")}, {"url": self.signed("missing", "failed entry")},
                   {"url": f"http://u:{self.plant('userinfo of an entry')}@127.0.0.1/?sig={self.plant('refused entry')}"}]
        manifest = harness.write_manifest(self.folder / "manifest", entries)
        self.ctl(server, "batch", "create", "-i", manifest, *label, *self.with_headers("batch"), "--wait", "-o", "json")

    def assert_reached(self):
        """Else there was nothing to find."""
        shown = "\n".join((self.origin.shown(), self.theirs.shown(), self.other.shown())).encode()
        for where in ("Authorization of body", "Cookie of body", "X-Whatever of cut", "X-Amz-Signature of body", "sig of missing", "sig of entry",
                      "redirect", "basic password", "user file", "bearer token", "named secret", "operator password", "session token",
                      "Cookie of running", "Signature of running", "Cookie of stream body", "token of proxied"):
            self.assertTrue(holds(shown, self.planted[where]), where)
        for core in (self.planted["named secret"], self.planted["Authorization of redirected"], self.planted["X-Api-Key of redirected"]):
            self.assertFalse(holds(self.other.shown().encode(), core), "a redirect took it to another origin")


class NamedTest(SecretsCase):
    def setUp(self):
        super().setUp()
        self.named = self.secret_file("repo")
        self.value = self.named.read_text().strip()
        self.settings = [f"secrets.named.repo.file={self.named}", f'secrets.named.repo.hosts=["{self.origin.address}"]',
                         "secrets.named.repo.tenants=[builds]", "grpc.reload_interval=1s", "retry.base_delay=1ms"]

    def fetch(self, server, url, *options):
        name = self.submit(server, url, "--tenant", "builds", "--to", "discard:", "--wait", *options)
        return server.job(name)

    def test_it_is_shown_to_its_host_and_to_nobody_else(self):
        server = self.start_server(*self.settings)

        job = self.fetch(server, self.origin.url("body"), "--header-secret", "X-Token=repo")
        self.assertEqual(job["spec"]["headers"], [{"name": "X-Token", "value": "", "secret": "repo"}])
        self.assertIn(f"X-Token: {self.value}\n", self.origin.shown())
        self.origin.target = self.other.url("body")
        self.fetch(server, self.origin.url("to"), "--header-secret", "Accept=repo", "--bearer-secret", "repo")
        self.assertIn(f"Accept: {self.value}\n", self.origin.shown("to"))
        self.assertIn(f"Authorization: Bearer {self.value}\n", self.origin.shown("to"))
        self.assertIn("GET /body", self.other.shown())
        self.assertNotIn(self.value, self.other.shown())
        described = server.ctl("describe", server.json("list")[0]["name"]).stdout
        self.assertIn("[secret repo]", described)
        self.assert_nowhere(server)

    def test_a_mirror_elsewhere_gets_none(self):
        server = self.start_server(*self.settings)
        manifest = harness.write_manifest(self.folder / "manifest", [{"urls": [self.origin.url("missing"), self.other.url("body")]}])

        self.ok(server, "submit", "-i", manifest, "--tenant", "builds", "--to", "discard:", "--wait", "--bearer-secret", "repo")

        self.assertIn(self.value, self.origin.shown("missing"))
        self.assertIn("GET /body", self.other.shown())
        self.assertNotIn(self.value, self.other.shown())

    def test_who_may_not_use_it_learns_nothing_of_it(self):
        server = self.start_server(*self.settings)
        said = []
        for tenant, name in (("reports", "repo"), ("reports", "none"), ("builds", "none")):
            run = self.ctl(server, "submit", self.origin.url("body"), "--tenant", tenant, "--bearer-secret", name)
            self.assertEqual(run.returncode, 5, run.stderr)
            self.assertIn("SECRET_NOT_ALLOWED", run.stderr)
            said.append(run.stderr.replace(f'"{name}"', "NAME").replace(tenant, "TENANT"))
        self.assertEqual(said[0], said[1])
        run = self.ctl(server, "submit", self.other.url("body"), "--tenant", "builds", "--bearer-secret", "repo")
        self.assertEqual((run.returncode, "SECRET_NOT_FOR_HOST" in run.stderr), (5, True), run.stderr)
        # A stream is the default tenant's here.
        run = self.ctl(server, "get", self.origin.url("body"), "-o", "-", "--bearer-secret", "repo")
        self.assertEqual((run.returncode, "SECRET_NOT_ALLOWED" in run.stderr), (5, True), run.stderr)
        self.assertEqual(self.origin.requests + self.other.requests, [])

    def test_the_next_request_has_the_next_value(self):
        server = self.start_server(*self.settings)
        self.fetch(server, self.origin.url("body"), "--bearer-secret", "repo")
        following = self.plant("next value")
        self.file("following", following).rename(self.named)

        def sent():
            self.fetch(server, self.origin.url("body"), "--bearer-secret", "repo")
            return following in self.origin.shown()
        harness.wait_for(sent, "the new value is sent", 20)
        self.named.unlink()
        harness.wait_for(lambda: "a named secret stays as it was" in server.log.read_text(), "its loss is told", 20)
        self.assertEqual(self.fetch(server, self.origin.url("body"), "--bearer-secret", "repo")["state"], "SUCCEEDED")
        self.assert_nowhere(server)

    def test_a_job_whose_secret_is_taken_away_fails_with_why(self):
        server = self.start_server(*self.settings)
        name = self.submit(server, self.origin.url("busy"), "--tenant", "builds", "--bearer-secret", "repo")
        harness.wait_for(lambda: server.job(name)["state"] == "WAITING", "it waits")
        before = len(self.origin.requests)
        server.stop()
        server.settings = [setting for setting in server.settings if "secrets.named" not in setting]
        server.start()

        self.ok(server, "cancel", name)
        self.ok(server, "retry", name)
        harness.wait_for(lambda: server.job(name)["state"] == "FAILED", "it fails")

        self.assertIn('has no secret "repo"', server.job(name)["error"]["message"])
        self.assertEqual(len(self.origin.requests), before)


class KeysTest(SecretsCase):
    def waiting_job(self, server):
        name = self.submit(server, self.origin.url("busy"), "--header", f"Cookie: {self.plant('cookie')}", "--request-id", "r")
        harness.wait_for(lambda: server.job(name)["state"] == "WAITING", "it waits")
        return name

    def start_fails(self, server):
        run = subprocess.run(server.command(), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 1, run.stderr)
        return run.stderr

    def test_a_key_is_replaced_by_the_steps_of_the_manual(self):
        server = self.start_server()
        name = self.waiting_job(server)
        server.stop()
        key = server.data / "fetchd.key"
        old = base64.b64decode(key.read_text())
        key.write_bytes(old)  # As an earlier version made it.
        for show in ("base64", "cat"):
            self.shell(server, "cp -p fetchd.key fetchd.key.old")
            self.shell(server, "(umask 077; { head -c 32 /dev/urandom | base64; " + show + " fetchd.key.old; } > fetchd.key.new) && "
                       "mv fetchd.key.new fetchd.key")
            server.start()
            server.stop()
            self.shell(server, "(umask 077; grep -v '^#' fetchd.key | head -n 1 > fetchd.key.new) && mv fetchd.key.new fetchd.key")
        self.assertEqual(server.log.read_text().count("stored credentials are sealed with the first key"), 2)
        (server.data / "fetchd.key.old").unlink()
        server.start()

        self.assertEqual(server.job(name)["spec"]["headers"][0]["value"], "[redacted]")
        before = len(self.origin.requests)
        self.ok(server, "cancel", name)
        self.ok(server, "retry", name)
        harness.wait_for(lambda: len(self.origin.requests) > before, "it asks again, with what was sealed")
        self.assertTrue(holds(self.origin.requests[-1].encode(), self.planted["cookie"]))
        self.planted["old key"] = old.hex()
        self.assert_nowhere(server)

    def shell(self, server, command):
        subprocess.run(["sh", "-c", command], cwd=server.data, check=True)

    def test_the_old_key_alone_does_not_open_what_the_new_one_sealed(self):
        server = self.start_server()
        name = self.waiting_job(server)
        server.stop()
        key = server.data / "fetchd.key"
        old = key.read_bytes()
        key.write_text(secrets.token_hex(32))

        said = self.start_fails(server)

        self.assertIn(f"1 stored jobs, such as {name}", said)
        self.assertIn("does not hold", said)
        key.write_bytes(old)
        server.start()
        self.assertEqual(server.job(name)["state"], "WAITING", "nothing is lost")

    def test_a_command_gives_the_keys(self):
        key = secrets.token_hex(32)
        self.planted["key"] = key
        keys = self.file("keys", key)
        server = self.start_server(f"secrets.key_command=[cat, {keys}]")
        name = self.waiting_job(server)
        self.assertFalse((server.data / "fetchd.key").exists(), "there is no other")
        server.kill()

        keys.unlink()
        said = self.start_fails(server)
        self.assertIn("secrets.key_command: cat ended with 1", said)
        self.assertIn("No such file", said)
        self.file("keys", key)
        server.start()
        self.assertEqual(server.job(name)["state"], "WAITING")
        self.assert_nowhere(server)

    def test_whoever_started_it_may_have_ignored_the_ends_of_children(self):
        """What is ignored is handed on, and takes away how a command ended."""
        keys = self.file("keys", secrets.token_hex(32))
        server = self.new_server(f"secrets.key_command=[cat, {keys}]")
        command = server.command
        server.command = lambda *more: ["env", "--ignore-signal=CHLD", *command(*more)]

        server.start()

        ignored = int(re.search(r"SigIgn:\s+(\w+)", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())[1], 16)
        self.assertFalse(ignored & 1 << signal.SIGCHLD - 1)

    def test_a_stop_is_heard_while_credentials_are_sealed_with_another_key(self):
        old, new = secrets.token_hex(32), secrets.token_hex(32)
        keys = self.file("keys", old)
        server = self.start_server(f"secrets.key_file={keys}")
        name = self.waiting_job(server)
        server.stop()
        # The keys come once the signal has been taken: before anything is sealed.
        script = self.file("command", f"""kill -TERM $PPID
while grep -q '^ShdPnd:.*[1-9a-f]' /proc/$PPID/status; do :; done
printf '{new}\\n{old}\\n'
""")
        server.settings[-1] = f"secrets.key_command=[sh, {script}]"

        server.launch()
        code = server.process.wait(30)

        self.assertEqual(code, 0, server.tail())
        self.assertIn("stopped while stored credentials were sealed", server.tail(1))
        self.assertNotIn("it alone is needed", server.log.read_text())
        self.file("keys", f"{new}\n{old}\n")
        server.settings[-1] = f"secrets.key_file={keys}"
        server.start()
        self.assertEqual(server.job(name)["state"], "WAITING")
        self.assertIn("it alone is needed", server.log.read_text())

    def test_a_key_that_others_may_read_is_refused(self):
        server = self.start_server()
        server.stop()
        os.chmod(server.data / "fetchd.key", 0o644)

        self.assertIn("chmod 600", self.start_fails(server))


if __name__ == "__main__":
    harness.main()
