#!/usr/bin/env python3
"""Who may call: tokens, certificates, JSON Web Tokens, and what the log keeps of it."""
import http.client
import os
import socket
import ssl
import subprocess

import certificates
import harness
import identity_provider

CANARY = "canary-0c5e7"


class CallersTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.callers = self.folder / "callers.yaml"
        self.entries, self.mapped = "", ""
        self.admin = self.make_token("admin", None, "admin")

    def make_token(self, principal, tenant, *roles):
        file = self.folder / f"{principal}.token"
        command = [harness.binaries["fetchctl"], "token", file, "--principal", principal,
                   *(["--tenant", tenant] if tenant else []), *(word for role in roles for word in ("--role", role))]
        self.entries += subprocess.run(command, check=True, capture_output=True, text=True).stdout
        self.write_callers()
        return ["--token-file", file]

    def map_certificate(self, name, principal, tenant, roles):
        self.mapped += f"  - {{{name}, principal: {principal}, tenant: {tenant}, roles: [{roles}]}}\n"
        self.write_callers()

    def write_callers(self):
        text = f"tokens:\n{self.entries}"
        next_file = self.callers.with_suffix(".next")
        next_file.write_text(text + (f"certificates:\n{self.mapped}" if self.mapped else ""))
        next_file.rename(self.callers)

    def new_asking_server(self, *settings, **options):
        server = self.new_server(f"callers.file={self.callers}", "grpc.reload_interval=1s", *settings, **options)
        server.connect = self.admin
        return server

    def refused(self, server, connect, *arguments):
        """What fetchctl says, with exit code 5."""
        server.connect = connect
        run = server.ctl(*arguments, check=False)
        self.assertEqual(run.returncode, 5, run.stderr)
        return run.stderr


class TokensTest(CallersTest):
    def test_a_token_is_somebody_with_a_tenant_and_roles(self):
        url = self.start_nginx().add("body", b"body")
        ci, reports = self.make_token("ci", "builds", "submit", "read"), self.make_token("reports", "reports", "read")
        server = self.new_asking_server().start()

        server.connect = ci
        (job,) = server.submit(url, options=("--wait",))
        self.assertEqual(server.job(job)["tenant"], "builds")
        self.assertEqual(server.ctl("read", job, "-o", "-").stdout, "body")
        self.assertIn("needs the role admin", self.refused(server, ci, "status"))
        self.assertIn("TENANT_NOT_ALLOWED", self.refused(server, ci, "submit", url, "--tenant", "reports"))
        self.assertIn("needs the role submit", self.refused(server, reports, "submit", url))
        self.assertEqual(server.ctl("describe", job, check=False).returncode, 4)
        self.assertEqual(server.json("list"), [])
        self.assertIn("TOKEN_MISSING", self.refused(server, [], "list"))

    def test_a_tenant_writes_where_it_may(self):
        url = self.start_nginx().add("body", b"body")
        ci = self.make_token("ci", "builds", "submit", "read")
        server = self.new_asking_server('tenants.*.destinations=["file:{tenant}/"]').start()
        server.connect = ci

        (job,) = server.submit(url, options=("--to", "file:builds/{basename}", "--wait"))
        self.assertEqual(server.ctl("read", job, "-o", "-").stdout, "body")
        for elsewhere in ("file:reports/x", "file:x", "s3://bucket/builds/x"):
            self.assertIn("DESTINATION_NOT_ALLOWED", self.refused(server, ci, "submit", url, "--to", elsewhere))
        server.submit(url, options=("--to", "discard:"))

    def test_the_token_may_be_in_the_environment(self):
        file = self.make_token("ci", "builds", "read")[1]
        server = self.new_asking_server().start()
        server.connect = []
        os.environ["FETCHCTL_TOKEN"] = file.read_text().strip()
        self.addCleanup(os.environ.pop, "FETCHCTL_TOKEN")

        server.ctl("list")

    def test_a_caller_comes_and_goes_with_the_file(self):
        server = self.new_asking_server().start()
        ci = self.make_token("ci", "builds", "read")
        server.connect = ci
        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 0, "the new caller is known", 15)

        self.callers.write_text("tokens: [")
        harness.wait_for(lambda: "callers stay as they were" in server.log.read_text(), "the file is told to be broken", 15)
        server.ctl("list")

        self.callers.write_text("tokens: []\n")
        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 5, "nobody is known", 15)

    def test_what_is_changed_is_in_the_log_with_who_did_it_and_no_token_is(self):
        url = self.start_nginx().add("body", b"body")
        ci = self.make_token("ci", "builds", "submit", "read")
        server = self.new_asking_server("log.level=debug").start()
        server.connect = ci
        (job,) = server.submit(url, options=("--wait",))
        server.ctl("delete", job)
        other = self.folder / "other"
        other.write_text(CANARY)
        self.refused(server, ["--token-file", other], "submit", url)
        server.connect = self.admin
        server.ctl("drain")
        server.process.wait(60)

        log = server.log.read_text()
        lines = [line for line in log.splitlines() if "msg=audit" in line]
        self.assertTrue(any("principal=ci tenant=builds by=token method=CreateJobs resource=\"1 created, 0 refused\" outcome=OK" in line
                            for line in lines), lines)
        self.assertTrue(any(f"principal=ci tenant=builds by=token method=DeleteJob resource={job} outcome=OK" in line
                            for line in lines), lines)
        self.assertTrue(any("method=CreateJobs" in line and "outcome=UNAUTHENTICATED reason=TOKEN_INVALID" in line
                            for line in lines), lines)
        self.assertTrue(any("principal=admin" in line and "method=Drain" in line for line in lines), lines)
        for secret in (CANARY, ci[1].read_text().strip(), self.admin[1].read_text().strip()):
            self.assertNotIn(secret, log)


class StartTest(CallersTest):
    def start_on_every_address(self, *settings):
        server = self.new_server(*settings)
        server.settings.append(f"grpc.listen=0.0.0.0:{server.port}")
        return server

    def test_an_address_that_others_reach_needs_tls_and_authentication(self):
        certificate, key = certificates.Authority(self.folder / "ca").issue("server", "IP:127.0.0.1")
        tls = (f"grpc.tls.certificate_file={certificate}", f"grpc.tls.key_file={key}")
        asked = (f"callers.file={self.callers}",)
        for settings, missing in (((), "no TLS (grpc.tls.certificate_file) and no authentication"), (tls, "no authentication"),
                                  (asked, "no TLS")):
            with self.subTest(missing):
                server = self.start_on_every_address(*settings)
                run = subprocess.run(server.command(), capture_output=True, text=True, timeout=60)
                self.assertEqual(run.returncode, 1)
                self.assertIn(missing, run.stderr)
        server = self.start_on_every_address(*tls, *asked)
        server.connect = [*self.admin, "--ca-file", self.folder / "ca" / "ca.pem"]
        server.start()

    def test_unless_it_is_said_in_words(self):
        self.start_on_every_address("grpc.insecure=true").start()


class CertificatesTest(CallersTest):
    def test_without_an_authority_it_is_said_that_no_certificate_is_asked_for(self):
        self.map_certificate("dns: ci.example", "ci", "builds", "read")

        server = self.new_asking_server().start()

        self.assertIn("no certificate is asked for", server.log.read_text())

    def test_a_certificate_is_somebody_by_its_names_and_never_by_its_common_name(self):
        authority = certificates.Authority(self.folder / "ca")
        certificate, key = authority.issue("server", "IP:127.0.0.1")
        self.map_certificate('uri: "spiffe://example.org/ci"', "mesh", "builds", "submit, read")
        self.map_certificate("dns: reports.example.org", "reports", "reports", "read")
        known, other = (authority.issue(stem, names, common_name="reports.example.org")
                        for stem, names in (("known", "URI:spiffe://example.org/ci"), ("other", "DNS:other.example.org")))
        server = self.new_asking_server(f"grpc.tls.certificate_file={certificate}", f"grpc.tls.key_file={key}",
                                        f"grpc.tls.client_ca_file={authority.file}", "grpc.tls.client_certificates=optional")
        trust = ["--ca-file", authority.file]
        server.connect = [*trust, *self.admin]
        server.start()
        url = self.start_nginx().add("body", b"body")

        server.connect = [*trust, "--cert-file", known[0], "--key-file", known[1]]
        (job,) = server.submit(url)
        self.assertEqual(server.job(job)["tenant"], "builds")
        self.assertIn("CERTIFICATE_UNKNOWN",
                      self.refused(server, [*trust, "--cert-file", other[0], "--key-file", other[1]], "list"))
        self.assertIn("TOKEN_MISSING", self.refused(server, trust, "list"))


class AdminTest(CallersTest):
    def ask(self, server, path, authority, own=None):
        context = ssl.create_default_context(cafile=authority.file)
        if own:
            context.load_cert_chain(*own)
        host, port = server.admin_address.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), timeout=20, context=context)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        return connection.getresponse().status

    def test_metrics_are_for_who_shows_a_certificate_and_health_is_for_all(self):
        authority = certificates.Authority(self.folder / "ca")
        certificate, key = authority.issue("admin", "IP:127.0.0.1")
        scraper = authority.issue("scraper", "DNS:prometheus.example.org")
        server = self.new_asking_server(f"admin.tls.certificate_file={certificate}", f"admin.tls.key_file={key}",
                                        f"admin.tls.client_ca_file={authority.file}").start()

        self.assertEqual(self.ask(server, "/readyz", authority), 200)
        self.assertEqual(self.ask(server, "/metrics", authority), 403)
        self.assertEqual(self.ask(server, "/metrics", authority, scraper), 200)

    def test_who_is_reached_by_others_asks_them_or_is_told_in_words(self):
        server = self.new_asking_server("admin.listen=0.0.0.0:0")
        run = subprocess.run([*server.command(), "--check-config"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("admin.insecure: true", run.stdout + run.stderr)


class JwtTest(CallersTest):
    def token_file(self, token):
        file = self.folder / "jwt"
        file.write_text(token)
        return ["--token-file", file]

    def settings(self, keys):
        return (f"callers.jwt.keys={keys}", f"callers.jwt.issuer={identity_provider.ISSUER}",
                f"callers.jwt.audience={identity_provider.AUDIENCE}")

    def test_the_keys_come_from_a_url_that_callers_cannot_reach_and_follow_their_rotation(self):
        first, second = (identity_provider.Key(self.folder, name) for name in ("first", "second"))
        provider = identity_provider.Provider(first)
        self.addCleanup(provider.stop)
        server = self.new_asking_server(*self.settings(provider.url), allow_loopback=False).start()

        server.connect = self.token_file(first.token())
        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 0, "the keys are there", 30)
        self.assertEqual(server.ctl("check", provider.url, check=False).returncode, 5)

        provider.keys = [second]
        server.connect = self.token_file(second.token())
        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 0, "the new key is known", 30)
        self.refused(server, self.token_file(first.token()), "list")

    def test_a_token_must_be_ours_and_of_now(self):
        key = identity_provider.Key(self.folder, "key")
        keys = self.folder / "jwks.json"
        keys.write_text(harness.json.dumps({"keys": [key.jwk()]}))
        server = self.new_asking_server(*self.settings(keys)).start()

        server.connect = self.token_file(key.token())
        (job,) = server.submit(self.start_nginx().add("body", b"body"))
        self.assertEqual(server.job(job)["tenant"], "builds")
        for expected, changes in {"TOKEN_EXPIRED": {"exp": 1}, "another audience": {"aud": "other"},
                                  "another issuer": {"iss": "https://other"}, "not yet valid": {"nbf": 4102444800},
                                  "needs the role read": {"roles": []}}.items():
            with self.subTest(expected):
                self.assertIn(expected, self.refused(server, self.token_file(key.token(**changes)), "list"))

    def test_while_the_provider_is_silent_the_keys_stay(self):
        key = identity_provider.Key(self.folder, "key")
        provider = identity_provider.Provider(key)
        self.addCleanup(provider.stop)
        provider.failing = True
        server = self.new_asking_server(*self.settings(provider.url)).start()
        server.connect = self.token_file(key.token())
        self.assertIn("KEYS_MISSING", server.ctl("list", check=False).stderr)

        provider.failing = False
        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 0, "the keys are there", 30)
        provider.failing, asked = True, provider.asked
        self.refused(server, self.token_file(identity_provider.Key(self.folder, "unknown").token()), "list")
        harness.wait_for(lambda: provider.asked > asked, "the provider is asked again", 30)

        server.connect = self.token_file(key.token())
        server.ctl("list")


class AbuseTest(harness.TestCase):
    def test_a_flood_of_pings_ends_the_connection_and_no_other(self):
        server = self.start_server()

        def frame(kind, payload, flags=0):
            return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + payload

        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, b"") + frame(6, bytes(8)) * 50)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece

        self.assertIn(b"too_many_pings", answer)  # GOAWAY with ENHANCE_YOUR_CALM.
        server.ctl("list")


if __name__ == "__main__":
    harness.main()
