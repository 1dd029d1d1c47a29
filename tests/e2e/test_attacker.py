#!/usr/bin/env python3
"""What an attacker tries, against a running fetchd: through URLs, names, headers, origins of his own, and other tenants' names."""
import contextlib
import gzip
import http.server
import json
import pathlib
import socket
import threading
import time

import harness
import test_callers
from dns_server import DnsServer
from h2_caller import Caller, message

CORPUS = pathlib.Path(__file__).parents[2] / "docs/egress-vectors.json"
CANARY = "canary-5d1f"
INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED = 3, 5, 7
MIB = 1 << 20


class Origin:
    """An HTTP/1.1 server whose answers `answer(handler)` writes. Keeps each request as it came."""

    def __init__(self, answer):
        origin = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                origin.requests.append((self.requestline, self.headers.items()))
                with contextlib.suppress(OSError):
                    answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def say(handler, body=b"hello", status=200, **headers):
    handler.send_response(status)
    for name, value in {"Content_Length": len(body), **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


class AttackerCase(harness.TestCase):
    def start_origin(self, answer=say):
        origin = Origin(answer)
        self.addCleanup(origin.stop)
        return origin

    def start_for(self, *origins, more=()):
        """Open to these origins' ports of loopback, and closed to the rest of it."""
        rules = json.dumps([f"127.0.0.1/32:{origin.port}" for origin in origins])
        return self.start_server(f"egress.allow={rules}", "log.level=debug", *more, allow_loopback=False)

    def get(self, server, url, *options):
        return server.ctl("get", url, "-o", "-", *options, check=False)


class RebindingTest(AttackerCase):
    def test_a_name_that_becomes_another_address_is_judged_again_and_connected_to_nowhere_else(self):
        inside, outside = self.start_origin(), self.start_origin(lambda handler: say(handler, Connection="close"))
        # By the same port: what is open is 127.0.0.1, what is closed is 127.0.0.2, where the attacker wants to get.
        dns = DnsServer({"rebind.test": ["127.0.0.1", "127.0.0.2"]}, ttl=0)
        self.addCleanup(dns.stop)
        server = self.start_for(inside, outside, more=(f"dns.servers={dns.address}", "dns.min_ttl=0", "dns.max_ttl=0"))
        url = f"http://rebind.test:{outside.port}/"

        self.assertEqual(self.get(server, url).stdout, "hello")
        for _ in range(3):
            refused = self.get(server, url)
            self.assertEqual(refused.returncode, 5, refused.stderr)
            self.assertIn("LOOPBACK", refused.stderr)
            self.assertNotIn("127.0.0", refused.stderr.replace(f"127.0.0.1:{server.port}", "").replace("127.0.0.0/8", ""))

        self.assertEqual(len(outside.requests), 1)
        self.assertEqual({address for _, address in dns.asked}, {"127.0.0.1", "127.0.0.2"})

    def test_between_two_attempts_of_a_job_too(self):
        origin = self.start_origin(lambda handler: say(handler, status=503, Connection="close"))
        dns = DnsServer({"rebind.test": ["127.0.0.1", "127.0.0.2"]}, ttl=0)
        self.addCleanup(dns.stop)
        server = self.start_for(origin, more=(f"dns.servers={dns.address}", "dns.min_ttl=0", "dns.max_ttl=0",
                                              "retry.base_delay=10ms"))

        (job,) = server.submit(f"http://rebind.test:{origin.port}/", options=("--to", "discard:"))
        server.ctl("watch", job, check=False)

        self.assertEqual(len(origin.requests), 1)
        self.assertIn("egress policy", server.job(job)["error"]["message"])


class RedirectsTest(AttackerCase):
    def test_no_redirect_leads_to_what_is_denied_however_it_is_written(self):
        vectors = [vector for vector in json.loads(CORPUS.read_text(encoding="utf-8"))["vectors"] if vector["expect"] != "allow"]
        by_class = {}
        for vector in vectors:
            by_class.setdefault((vector["why"], vector["form"]), vector)
        vectors = list(by_class.values())

        def redirect(handler):
            at = handler.path.rpartition("?")[2]
            say(handler, b"", 302, Location=vectors[int(at)]["url"].encode().decode("latin-1"))

        origin = self.start_origin(redirect)
        server = self.start_for(origin, more=("breaker.failures=0", "limits.transfers=32"))
        lines = [{"url": origin.url(f"/?{i}"), "destination": "discard:"} for i in range(len(vectors))]
        server.ctl("submit", "-q", "-i", harness.write_manifest(self.folder / "manifest", lines))
        counts = server.wait_until_ended(len(vectors))

        self.assertEqual(counts, {"FAILED": len(vectors)})
        reasons = {}
        for job in server.json("list", "--all"):
            vector = vectors[int(job["spec"]["urls"][0].rpartition("?")[2])]
            kind, words = self.refusal(vector)
            reasons[kind] = reasons.get(kind, 0) + 1
            with self.subTest(vector):
                self.assertRegex(job["error"]["message"], words)
        print(f"{len(vectors)} redirects, a class and a spelling each: {reasons}", flush=True)
        self.assertGreater(reasons["denied"], 50)
        self.assertEqual(len(origin.requests), len(vectors))

    def refusal(self, vector):
        """What becomes of a redirect there, and in which words."""
        if vector["expect"] == "deny" and vector["form"] not in harness.ODD_IPV4:
            return "denied", rf"egress policy does not allow .*: {vector['verdict']} \("
        return "no URL", "redirect from .* URL"


class InjectionTest(AttackerCase):
    INJECTED = ("a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\0b")

    def fields(self, url, text):
        """CreateJobRequests that carry `text` in each field that a caller may give."""
        def job(**fields):
            return message({1: {2: {1: url}, 3: "discard:", **{int(name[1:]): value for name, value in fields.items()}}})

        def spec(**fields):
            return job(_2={1: url, **{int(name[1:]): value for name, value in fields.items()}})

        return {
            "url's path": job(_2={1: url + text}),
            "url's host": job(_2={1: f"http://127.0.0.1{text}/"}),
            "url's userinfo": job(_2={1: url.replace("http://", f"http://{text}@")}),
            "header's name": spec(_2={1: f"X{text}", 2: "v"}),
            "header's value": spec(_2={1: "X-A", 2: text}),
            "user agent": spec(_2={1: "User-Agent", 2: text}),
            "user name": spec(_3={1: {1: text, 2: "p"}}),
            "password": spec(_3={1: {1: "u", 2: text}}),
            "bearer token": spec(_3={2: text}),
            "entity tag": spec(_21=f'"{text}"'),
            "proxy": spec(_30=text),
            "tls profile": spec(_10=text),
            "destination": job(_3=f"file:{text}"),
            "object's content type": job(_3="s3://bucket/key", _43={1: text}),
            "object's metadata": job(_3="s3://bucket/key", _43={5: {1: "a", 2: text}}),
            "object's tag": job(_3="s3://bucket/key", _43={6: {1: "a", 2: text}}),
            "label's key": job(_6={1: text, 2: "v"}),
            "label's value": job(_6={1: "k", 2: text}),
            "tenant": job(_20=text),
            "batch": job(_40=text),
            "request id": message({1: {2: {1: url}, 3: "discard:"}, 2: text}),
        }

    def test_line_breaks_and_nul_get_through_no_field_a_caller_may_give(self):
        origin = self.start_origin()
        store = self.start_origin()
        server = self.start_for(origin, store, more=(
            f"stores.lab.endpoint={store.url()[:-1]}", "stores.lab.path_style=true", "stores.lab.credentials=static",
            "stores.lab.access_key_id=k", f"stores.lab.secret_access_key_file={self.write('secret', 's')}"))
        outcomes = {}
        with Caller(server.port, window=MIB) as caller:
            for text in self.INJECTED:
                for field, request in self.fields(origin.url(), text).items():
                    with self.subTest(field=field, text=text):
                        answer = caller.answer("CreateJob", request)
                        outcomes.setdefault(answer.status, set()).add(field)
                        self.assertIn(answer.status, (INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED), answer.headers)
        print({status: sorted(fields) for status, fields in outcomes.items()}, flush=True)
        self.assertEqual(server.counts(), {})
        self.assertEqual(origin.requests + store.requests, [])
        for line in server.log.read_text(errors="replace").splitlines():
            self.assertRegex(line, "^(ts=|fetchd: |fetchd [0-9.]+ listening)")  # Nobody writes a line of the log but fetchd.

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path


class CredentialsTest(AttackerCase):
    def test_a_redirect_to_another_origin_captures_nothing(self):
        thief = self.start_origin()
        origin = self.start_origin(lambda handler: say(handler, b"", 302, Location=thief.url("/captured")))
        server = self.start_for(origin, thief)

        got = self.get(server, origin.url(), "--user", f"me:{CANARY}", "--header", f"Cookie: {CANARY}", "--header",
                       f"X-Api-Key: {CANARY}")

        self.assertEqual(got.stdout, "hello")
        self.assertEqual([line for line, _ in thief.requests], ["GET /captured HTTP/1.1"])
        self.assertIn(CANARY, str(origin.requests))
        self.assertNotIn(CANARY, str(thief.requests))
        self.assertNotIn("Authorization", dict(thief.requests[0][1]))
        self.assertNotIn(CANARY, server.log.read_text())


class HostileOriginsTest(AttackerCase):
    """Each is given up, in little memory, while others are served."""

    def assert_given_up(self, server, url, *options, reason, seconds=15):
        idle, begun = harness.peak_memory(server.process.pid), time.monotonic()
        failed = self.get(server, url, *options)
        took, grown = time.monotonic() - begun, harness.peak_memory(server.process.pid) - idle
        print(f"{self.id().rpartition('.')[2]}: {took:.1f} s, {grown >> 20} MiB more: {failed.stderr.strip()[:150]}", flush=True)
        self.assertNotEqual(failed.returncode, 0)
        self.assertRegex(failed.stderr, reason)
        self.assertLess(took, seconds)
        self.assertLess(grown, 64 * MIB)

    def test_a_body_that_grows_when_it_is_decoded(self):
        bomb = gzip.compress(gzip.compress(bytes(256 * MIB), 9), 9)
        origin = self.start_origin(lambda handler: say(handler, bomb, Content_Encoding="gzip, gzip"))
        server = self.start_for(origin)

        self.assert_given_up(server, origin.url(), "--compressed", reason="DECODE_LIMIT")

    def test_a_head_without_end(self):
        def answer(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for i in range(1 << 16):
                handler.wfile.write(b"X-%d: %s\r\n" % (i, b"a" * 1000))

        server = self.start_for(origin := self.start_origin(answer), more=("retry.max_attempts=1",))

        self.assert_given_up(server, origin.url(), reason="(?i)head|MALFORMED_RESPONSE|too large")

    def test_a_head_that_drips(self):
        stop = threading.Event()
        self.addCleanup(stop.set)

        def answer(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
            while not stop.wait(0.05):
                handler.wfile.write(b"a")

        server = self.start_for(origin := self.start_origin(answer), more=("retry.max_attempts=1", "timeouts.first_byte=1s"))

        self.assert_given_up(server, origin.url(), reason="first byte")

    def test_a_body_that_drips(self):
        stop = threading.Event()
        self.addCleanup(stop.set)

        def answer(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not stop.wait(0.05):
                handler.wfile.write(b"a")

        server = self.start_for(origin := self.start_origin(answer), more=("retry.max_attempts=1", "timeouts.min_speed_window=1s"))

        self.assert_given_up(server, origin.url(), reason="minimum speed")


class OtherTenantsTest(test_callers.CallersTest):
    def test_the_names_of_anothers_jobs_are_of_no_use(self):
        url = self.start_nginx().add("body", b"body")
        ci, thief = self.make_token("ci", "builds", "submit", "read"), self.make_token("thief", "thieves", "submit", "read")
        server = self.new_asking_server().start()
        server.connect = ci
        (job,) = server.submit(url, options=("--wait", "--to", "file:body"))
        absent = "jobs/01h2xcejqtf2nbrexx3vqjhp41"

        with Caller(server.port, window=MIB, token=thief[1].read_text().strip()) as caller:
            for method in ("GetJob", "CancelJob", "PauseJob", "ResumeJob", "RetryJob", "DeleteJob", "ExplainJob", "ReadBody", "WatchJobs"):
                with self.subTest(method):
                    of_another, of_nobody = (caller.answer(method, message({1: name})) for name in (job, absent))
                    self.assertEqual(of_another.status, NOT_FOUND, of_another.headers)
                    self.assertEqual(of_another.headers["grpc-message"].replace(job[5:], "X"),
                                     of_nobody.headers["grpc-message"].replace(absent[5:], "X"))
                    self.assertEqual(bytes(of_another.data), b"")
        self.assertEqual(server.job(job)["state"], "SUCCEEDED")


if __name__ == "__main__":
    harness.main()
