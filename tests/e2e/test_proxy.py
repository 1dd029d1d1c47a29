#!/usr/bin/env python3
"""Jobs through a real SOCKS5 proxy: chosen by name, by origin, by default and by the environment."""
import os
import subprocess
from unittest import mock

import harness

USER, PASSWORD = "me", "canary-of-the-proxy"


class Proxy:
    """microsocks on a port of its own, with a password."""

    def __init__(self, folder):
        self.port = harness.free_port()
        self.log_file = folder / f"proxy{self.port}.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                ["microsocks", "-i", "127.0.0.1", "-p", str(self.port), "-u", USER, "-P", PASSWORD],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        harness.wait_for(lambda: harness.accepts_connections(self.port), "the proxy listens")

    def tunnels(self, port):
        """How many led to `port` of the loopback."""
        return self.log_file.read_text().count(f"127.0.0.1:{port}")

    def stop(self):
        self.process.kill()
        self.process.wait()


class ProxyTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.body = harness.pattern(300_000)
        self.url = self.nginx.add("body", self.body)
        self.proxy = Proxy(self.folder)
        self.addCleanup(self.proxy.stop)
        (self.folder / "password").write_text(PASSWORD + "\n")
        self.settings = [f"proxies.corp.url=socks5://127.0.0.1:{self.proxy.port}", f"proxies.corp.username={USER}",
                         f"proxies.corp.password_file={self.folder}/password"]

    def fetch(self, server, *options):
        """The job when it has ended, with its attempts."""
        name = server.submit(self.url, options=["--to", "discard:", "--wait", *options])[0]
        return server.job(name)

    def hop(self, job):
        return job["attempts"][-1]["hops"][-1]

    def test_a_job_that_names_the_proxy_goes_through_it(self):
        server = self.start_server(*self.settings)
        target = self.folder / "got"

        direct = self.fetch(server)
        self.assertEqual(self.proxy.tunnels(self.nginx.port), 0)
        proxied = self.fetch(server, "--proxy", "corp")
        server.ctl("get", self.url, "-o", target, "--proxy", "corp")

        self.assertEqual((direct["state"], self.hop(direct).get("proxy", "")), ("SUCCEEDED", ""))
        self.assertEqual((proxied["state"], self.hop(proxied)["proxy"]), ("SUCCEEDED", "corp"))
        self.assertEqual(proxied["spec"]["proxy"], "corp")
        self.assertEqual(target.read_bytes(), self.body)
        self.assertEqual(self.proxy.tunnels(self.nginx.port), 1)  # Reused.
        described = server.ctl("describe", proxied["name"]).stdout
        self.assertRegex(described, r"Proxy: +corp")

    def test_unknown_and_forbidden_choices_are_refused_at_the_door(self):
        server = self.start_server(*self.settings, "proxies.inner.url=http://127.0.0.1:3128", "proxies.inner.job_choice=false",
                                   "proxy.default=corp")

        for name, code, says in (("missing", 2, "no proxy is called"), ("http://127.0.0.1:3128", 2, "no proxy is called"),
                                 ("inner", 5, "jobs may not name"), ("direct", 5, "proxy.allow_direct")):
            with self.subTest(name):
                for command in (["submit", "--to", "discard:"], ["get", "-o", "-"]):
                    run = server.ctl(*command, "--proxy", name, self.url, check=False)
                    self.assertEqual(run.returncode, code, run.stderr)
                    self.assertIn(says, run.stderr)
        self.assertEqual(self.nginx.requests(), [])

    def test_the_default_holds_for_all_but_where_the_operator_says_otherwise(self):
        server = self.start_server(*self.settings, "proxy.default=corp", f'proxy.no_proxy=["127.0.0.1:{self.nginx.port}"]')
        other = self.start_nginx()
        other_url = other.add("body", self.body)

        near = self.fetch(server)
        self.url = other_url
        far = self.fetch(server)

        self.assertEqual(self.hop(near).get("proxy", ""), "")
        self.assertEqual(self.hop(far)["proxy"], "corp")

    def test_a_rule_of_the_origin_chooses(self):
        server = self.start_server(*self.settings, "origins.127.0.0.1.proxy=corp")

        self.assertEqual(self.hop(self.fetch(server))["proxy"], "corp")

    def test_direct_is_allowed_where_the_operator_allows_it(self):
        server = self.start_server(*self.settings, "proxy.default=corp", "proxy.allow_direct=true")

        self.assertEqual(self.hop(self.fetch(server, "--proxy", "direct")).get("proxy", ""), "")

    def test_the_environment_counts_only_when_it_is_asked_for(self):
        with mock.patch.dict(os.environ, {"HTTP_PROXY": f"socks5://{USER}:{PASSWORD}@127.0.0.1:{self.proxy.port}"}):
            self.assertEqual(self.hop(self.fetch(self.start_server())).get("proxy", ""), "")
            asked = self.start_server("proxy.from_environment=true")

        self.assertEqual(self.hop(self.fetch(asked))["proxy"], "HTTP_PROXY")

    def test_a_proxy_that_refuses_is_named_and_not_asked_again(self):
        (self.folder / "password").write_text("canary-wrong")
        server = self.start_server(*self.settings)

        name = server.json("submit", "--to", "discard:", "--proxy", "corp", self.url)[0]["name"]
        server.wait_until_ended(1)
        job = server.job(name)

        self.assertEqual(job["state"], "FAILED")
        self.assertEqual(job["attempts"][-1]["failed_phase"], "proxy")
        self.assertEqual(len(job["attempts"]), 1)
        self.assertIn("proxy corp", job["error"]["message"])
        self.assertIn("refuses the credentials", job["error"]["message"])

    def test_the_password_is_nowhere(self):
        server = self.start_server(*self.settings, "log.level=debug", "proxy.default=corp")

        job = self.fetch(server)
        printed = subprocess.run(server.command("log.level=debug") + ["--print-config"], capture_output=True, text=True,
                                 check=True).stdout
        server.stop()

        self.assertEqual(self.hop(job)["proxy"], "corp")
        for text in (printed, server.log.read_text(), str(job)):
            self.assertNotIn(PASSWORD, text)
        for file in server.data.rglob("*"):
            if file.is_file():
                self.assertNotIn(PASSWORD.encode(), file.read_bytes(), file)


if __name__ == "__main__":
    harness.main()
