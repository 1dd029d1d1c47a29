#!/usr/bin/env python3
"""The API over HTTP/JSON, as curl sees it: what it does, what it refuses and in which words, and who may."""
import json
import socket
import subprocess
import threading

import certificates
import harness
import test_callers


class Answer:
    def __init__(self, status, head, body):
        self.status, self.head, self.body = status, head, body

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]

    @property
    def reason(self):
        return next((detail["reason"] for detail in self.error.get("details", []) if "reason" in detail), None)

    def field(self, name):
        return next((line.split(":", 1)[1].strip() for line in self.head.splitlines()
                     if line.lower().startswith(name.lower() + ":")), None)


def curl(server, path, *options, token=None):
    """One request of curl's."""
    options = [*options, *(["-H", f"Authorization: Bearer {token}"] if token else [])]
    run = subprocess.run(["curl", "-sS", "-i", "--max-time", "60", *options, f"http://{server.admin_address}{path}"],
                         capture_output=True, text=True, timeout=90, check=True)
    head, body = run.stdout.split("\n\n", 1)
    while head.startswith("HTTP/1.1 100"):
        head, body = body.split("\n\n", 1)
    return Answer(int(head.split(" ")[1]), head, body)


def post(server, path, body, *options, **more):
    return curl(server, path, "--json", json.dumps(body), *options, **more)


class Events:
    """A watch, as curl -N prints it; it has begun."""

    def __init__(self, server, path, *options):
        self.process = subprocess.Popen(["curl", "-sS", "-N", "--max-time", "60", *options, f"http://{server.admin_address}{path}"],
                                        stdout=subprocess.PIPE, text=True)
        self.first = self.process.stdout.readline()

    def __iter__(self):
        fields = {}
        for line in self.process.stdout:
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
                fields = {}
            elif not line.strip():
                fields = {}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class JsonTest(harness.TestCase):
    def watch(self, *arguments):
        events = Events(*arguments)
        self.addCleanup(events.close)
        self.assertEqual(events.first, ": open\n")
        return events

    def submit(self, server, url, **job):
        answer = post(server, "/v1/jobs", {"job": {"spec": {"urls": [url]}, "destination": "discard:", **job}})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()["name"]

    def wait_for_end(self, server, name):
        return harness.wait_for(lambda: (job := curl(server, f"/v1/{name}").json())["state"] in harness.TERMINAL and job, f"{name} ends")


class CallsTest(JsonTest):
    def test_a_job_is_submitted_seen_explained_and_deleted(self):
        url = self.start_nginx().add("body", b"body")
        server = self.start_server()
        job = {"spec": {"urls": [url]}, "destination": "file:out/a", "labels": {"team": "x"}}

        made = post(server, "/v1/jobs", {"job": job, "requestId": "r-1"})
        again = post(server, "/v1/jobs", {"job": job, "requestId": "r-1"})
        name = made.json()["name"]
        self.assertEqual((made.status, again.json()["name"]), (200, name))
        self.assertEqual(made.field("Content-Type"), "application/json")
        ended = self.wait_for_end(server, name)
        self.assertEqual((ended["state"], ended["result"]["sizeBytes"]), ("SUCCEEDED", "4"))
        self.assertEqual((server.data / "files/out/a").read_bytes(), b"body")

        listed = curl(server, "/v1/jobs?filter.labels.team=x&filter.states=SUCCEEDED&pageSize=5").json()
        self.assertEqual([job["name"] for job in listed["jobs"]], [name])
        self.assertEqual(curl(server, "/v1/jobs?filter.labels.team=y").json(), {})
        self.assertEqual(len(curl(server, f"/v1/{name}?view=JOB_VIEW_FULL").json()["attempts"]), 1)
        self.assertEqual(curl(server, f"/v1/{name}:explain").json()["job"]["name"], name)
        self.assertEqual(curl(server, f"/v1/{name}", "-X", "DELETE").json(), {})
        self.assertEqual(curl(server, f"/v1/{name}").status, 404)

    def test_a_job_is_paused_resumed_cancelled_and_retried(self):
        url = self.start_nginx(slow_rate="1k").add("body", b"x" * 100_000).replace("/body", "/slow/body")
        server = self.start_server()
        name = self.submit(server, url)

        for verb, states in (("pause", {"PAUSED", "RUNNING"}), ("resume", {"QUEUED", "RUNNING"}), ("cancel", {"CANCELLED", "RUNNING"})):
            answer = post(server, f"/v1/{name}:{verb}", {})
            self.assertEqual(answer.status, 200, answer.body)
            self.assertIn(answer.json()["state"], states)
            if verb == "pause":
                harness.wait_for(lambda: curl(server, f"/v1/{name}").json()["state"] == "PAUSED", "the job is paused")
        self.assertEqual(self.wait_for_end(server, name)["state"], "CANCELLED")
        self.assertEqual(post(server, f"/v1/{name}:retry", {}).status, 200)

    def test_batches_origins_status_and_checks(self):
        url = self.start_nginx().add("body", b"body")
        server = self.start_server()

        batch = post(server, "/v1/batches", {"batch": {"displayName": "b"}}).json()["name"]
        self.assertEqual(post(server, f"/v1/{batch}:seal", {}).status, 200)
        self.assertEqual(curl(server, f"/v1/{batch}").json()["displayName"], "b")
        self.assertEqual(curl(server, "/v1/batches").json()["batches"][0]["name"], batch)
        self.assertEqual(curl(server, f"/v1/{batch}/entries").json(), {})
        ((event, _, data),) = [event for event in self.watch(server, f"/v1/batches:watch?names={batch}&untilDone=true")][:1]
        self.assertEqual((event, data["batch"]["name"]), ("message", batch))

        self.wait_for_end(server, self.submit(server, url))
        self.assertIn("dials", curl(server, "/v1/status").json())
        origin = url.removesuffix("/body")
        limited = post(server, "/v1/origins:setLimits", {"origin": origin, "limits": {"maxTransfers": 3}}).json()
        self.assertEqual(limited["limits"]["maxTransfers"], 3)
        self.assertIn(origin, [state["origin"] for state in curl(server, "/v1/origins").json()["origins"]])
        self.assertFalse(post(server, "/v1:checkUrl", {"url": "http://169.254.169.254/"}).json().get("allowed", False))
        document = curl(server, "/openapi.json").json()
        self.assertIn("/v1/jobs/{id}:cancel", document["paths"])

    def test_drain_ends_watches_with_the_reason_and_then_the_server(self):
        server = self.start_server()
        events = iter(self.watch(server, "/v1/jobs:watch"))

        self.assertIn("deadline", post(server, "/v1:drain", {"grace": "1s"}).json())

        event, _, data = next(events)
        self.assertEqual((event, data["error"]["code"], data["error"]["status"]), ("failure", 503, "UNAVAILABLE"))
        self.assertEqual(list(events), [])
        self.assertEqual(server.process.wait(60), 0)


class WatchTest(JsonTest):
    def test_events_come_as_they_happen_and_a_watch_goes_on_where_it_broke_off(self):
        url = self.start_nginx().add("body", b"body")
        server = self.start_server()
        first = self.watch(server, "/v1/jobs:watch?noProgress=true")
        name = self.submit(server, url)

        states, token = [], None
        for event, token, data in first:
            self.assertEqual(event, "stateChange")
            states.append(data["stateChange"]["state"])
            if states[-1] == "RUNNING":
                break
        first.close()
        self.wait_for_end(server, name)
        other = self.submit(server, url)

        rest = []
        for event, _, data in self.watch(server, "/v1/jobs:watch?noProgress=true", "-H", f"Last-Event-ID: {token}"):
            rest.append((data["name"], data["stateChange"]["state"]))
            if rest[-1] == (other, "SUCCEEDED"):
                break
        self.assertEqual(states, ["QUEUED", "RUNNING"])
        self.assertEqual([state for job, state in rest if job == name], ["SUCCEEDED"])
        self.assertEqual([state for job, state in rest if job == other], ["QUEUED", "RUNNING", "SUCCEEDED"])

    def test_a_watch_of_names_ends_when_they_have(self):
        url = self.start_nginx().add("body", b"body")
        server = self.start_server()
        name = self.submit(server, url)

        events = list(self.watch(server, f"/v1/jobs:watch?names={name}&untilDone=true"))

        self.assertEqual(events[-1], ("end", None, {}))
        self.assertEqual(events[-2][2]["stateChange"]["state"], "SUCCEEDED")

    def test_a_watch_that_comes_back_after_the_end_is_told_not_to(self):
        url = self.start_nginx(slow_rate="16k").add("body", harness.pattern(60_000)).replace("/body", "/slow/body")
        server = self.start_server()
        name = self.submit(server, url)
        path = f"/v1/jobs:watch?names={name}&untilDone=true"
        identities = [identity for _, identity, _ in self.watch(server, path) if identity]
        began, last = identities[0], identities[-1]
        self.assertNotEqual(began, last, "it had ended before it was watched")

        over = curl(server, path, "-H", f"Last-Event-ID: {last}")
        self.assertEqual((over.status, over.body, over.field("Content-Type"), over.field("Content-Length")), (204, "", None, None))
        self.assertEqual(curl(server, f"{path}&filter.states=FAILED&resumeToken={began}").status, 204, "no event of those is left")
        missed = curl(server, path, "-H", f"Last-Event-ID: {began}")
        self.assertEqual(missed.status, 200)
        self.assertIn("SUCCEEDED", missed.body)
        curl(server, f"/v1/{name}", "-X", "DELETE")
        self.assertIn("event: deleted", curl(server, path, "-H", f"Last-Event-ID: {last}").body)

    def test_a_watch_that_is_refused_is_an_error_as_any_other(self):
        server = self.start_server()
        for path, status in (("/v1/jobs:watch?names=jobs/01jd00000000000000000000zz", 200), ("/v1/jobs:watch?untilDone=true", 400),
                             ("/v1/jobs:watch?resumeToken=none", 400)):
            answer = curl(server, path)
            self.assertEqual(answer.status, status, answer.body)
        # Whether there is a job is looked up by the stream that has begun.
        answer = curl(server, "/v1/jobs:watch?names=jobs/01jd00000000000000000000zz")
        self.assertIn("event: failure\ndata: {\"error\":{\"code\":404,\"status\":\"NOT_FOUND\"", answer.body)

    def test_streams_are_few_and_one_too_many_is_told_to_come_back(self):
        server = self.start_server()
        watches = [self.watch(server, "/v1/jobs:watch") for _ in range(32)]

        refused = curl(server, "/v1/jobs:watch")
        self.assertEqual(refused.status, 429)
        self.assertEqual((refused.reason, refused.field("Retry-After")), ("HTTP_STREAM_LIMIT", "5"))
        self.assertEqual(server.health("/readyz")[0], 200)
        self.assertEqual(curl(server, "/v1/jobs").status, 200)
        for watch in watches:
            watch.close()
        # Who goes is noticed at once.
        again = []
        while len(again) < 32:
            events = Events(server, "/v1/jobs:watch")
            self.addCleanup(events.close)
            if events.first == ": open\n":
                again.append(events)


class RefusalTest(JsonTest):
    def test_what_cannot_be_read_is_said_with_what_is_wrong(self):
        server = self.start_server()
        big = self.folder / "big"
        big.write_bytes(b'{"job": "' + b"x" * (1 << 20) + b'"}')
        typed = ("-H", "Content-Type: application/json")
        for options, path, status, words in (
                (("--json", "{"), "/v1/jobs", 400, "CreateJobRequest: "),
                (("--json", '{"job": {"specs": {}}}'), "/v1/jobs", 400, "specs"),
                (("--json", '{"job": {"spec": {"urls": ["ftp://a"]}}}'), "/v1/jobs", 400, "job.spec.urls[0]"),
                ((), "/v1/jobs?nothing=1", 400, "query parameter nothing"),
                ((), "/v1/jobs/nothing", 400, "name"),
                ((), "/v1/jobs/01jd00000000000000000000zz", 404, "there is no job"),
                ((), "/v1/nothing", 404, "/openapi.json"),
                (("-X", "PUT"), "/v1/jobs", 405, "POST, GET"),
                (("--data", "{}"), "/v1/jobs", 415, "application/json"),
                (("-X", "POST"), "/v1/jobs/01jd00000000000000000000zz:cancel", 415, "application/json"),
                (("--data-binary", f"@{big}", *typed), "/v1/jobs", 413, "1 MiB"),
                (("-H", "X: " + "x" * 20_000), "/v1/jobs", 431, "head")):
            with self.subTest(path=path, status=status):
                answer = curl(server, path, *options)
                self.assertEqual(answer.status, status, answer.body)
                self.assertEqual(answer.error["code"], status)
                self.assertIn(words, answer.body)
        self.assertEqual(curl(server, "/v1/jobs", "-X", "PUT").field("Allow"), "POST, GET")

    def test_pages_of_other_sites_and_other_names_are_refused(self):
        server = self.start_server()
        port = server.admin_address.rsplit(":", 1)[1]
        for fields in (("Origin: https://attacker.example",), ("Origin: null",), ("Sec-Fetch-Site: cross-site",),
                       ("Sec-Fetch-Site: same-site",), (f"Origin: http://127.0.0.1:{int(port) + 1}",), (f"Host: attacker.example:{port}",)):
            options = [word for field in fields for word in ("-H", field)]
            with self.subTest(fields):
                self.assertEqual(post(server, "/v1:drain", {}, *options).status, 403)
                self.assertEqual(curl(server, "/v1/jobs", *options).status, 403)
        self.assertIn("msg=\"admin refused a request\" peer=ipv4:127.0.0.1:", server.log.read_text())
        for name in ("localhost", "127.0.0.1"):
            self.assertEqual(curl(server, "/v1/jobs", "-H", f"Host: {name}:1234", "-H", f"Origin: http://{name}:1234").status, 200)
        self.assertEqual(server.health("/readyz")[0], 200)

    def test_nobody_gets_fields_or_answers_in_that_are_not_there(self):
        server = self.start_server()
        host, port = server.admin_address.rsplit(":", 1)

        def ask(request):
            with socket.create_connection((host, int(port)), 20) as client:
                client.sendall(request)
                return b"".join(iter(lambda: client.recv(65536), b"")).decode("latin-1")

        for target in ("/v1/jobs/a%0d%0aX-Forged:%20y", "/v1/jobs?a%0d%0aX-Forged:%20y=1", "/%0d%0aX-Forged:%20y"):
            answer = ask(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            self.assertNotIn("X-Forged", answer.split("\r\n\r\n")[0])
            self.assertIn(answer.split(" ")[1], ("400", "404"))
        for field in (b"Last-Event-ID: a\x00b", b"Last-Event-ID: \xff", b"Authorization: Bearer \xe4", b"Authorization: Bearer a\x01b"):
            answer = ask(b"GET /v1/jobs:watch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + field + b"\r\n\r\n")
            self.assertIn(answer.split(" ")[1], ("400", "401"), field)
        # The next request is not within the first one's body.
        smuggled = ask(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((smuggled.count("HTTP/1.1 "), smuggled.split(" ")[1]), (1, "400"))
        self.assertEqual(curl(server, "/v1/jobs").status, 200)


class CallersTest(JsonTest, test_callers.CallersTest):
    def token(self, *arguments):
        return self.make_token(*arguments)[1].read_text().strip()

    def test_who_calls_is_asked_as_over_grpc(self):
        url = self.start_nginx().add("body", b"body")
        ci, reports = self.token("ci", "builds", "submit", "read"), self.token("reports", "reports", "read")
        admin = self.admin[1].read_text().strip()
        server = self.new_asking_server().start()
        job = {"job": {"spec": {"urls": [url]}, "destination": "discard:"}}

        made = post(server, "/v1/jobs", job, token=ci)
        name = made.json()["name"]
        self.assertEqual((made.status, made.json()["tenant"]), (200, "builds"))
        self.assertEqual(curl(server, f"/v1/{name}", token=reports).status, 404)
        self.assertEqual(curl(server, "/v1/jobs", token=reports).json(), {})
        self.assertEqual(curl(server, f"/v1/{name}", token=ci).status, 200)
        for path, token, status, reason in (("/v1/jobs", None, 401, "TOKEN_MISSING"), ("/v1/jobs", "unknown", 401, "TOKEN_INVALID"),
                                            ("/v1/status", ci, 403, "ROLE_MISSING"),
                                            ("/v1/jobs?filter.tenant=builds", reports, 403, "TENANT_NOT_ALLOWED")):
            answer = curl(server, path, token=token)
            self.assertEqual((answer.status, answer.reason), (status, reason), answer.body)
        self.assertEqual(curl(server, "/v1/jobs").field("WWW-Authenticate"), "Bearer")
        self.assertEqual(curl(server, "/v1/jobs", "-H", "Authorization: Bearer a", "-H", "Authorization: Bearer b").status, 401)
        self.assertEqual(post(server, "/v1/jobs", job, token=reports).reason, "ROLE_MISSING")
        self.assertEqual(post(server, "/v1/jobs", job).reason, "TOKEN_MISSING")
        self.assertEqual(curl(server, "/v1/status", "-H", "Host: fetchd.example", token=admin).status, 200)
        self.assertEqual(post(server, "/v1:drain", {}, "-H", "Origin: https://attacker.example", token=admin).status, 403)

        lines = [line for line in server.log.read_text().splitlines() if "msg=audit" in line]
        (audited,) = [line for line in lines if "method=CreateJob " in line and "outcome=OK" in line]
        self.assertIn(f"principal=ci tenant=builds by=token method=CreateJob resource={name}", audited)
        self.assertIn("peer=ipv4:127.0.0.1:", audited)
        self.assertNotIn(ci, server.log.read_text())
        (stranger,) = [line for line in lines if "outcome=UNAUTHENTICATED" in line]
        self.assertIn("method=CreateJob", stranger)
        self.assertIn("reason=TOKEN_MISSING peer=ipv4:127.0.0.1:", stranger)

    def test_of_strangers_no_body_is_awaited(self):
        server = self.new_asking_server().start()
        host, port = server.admin_address.rsplit(":", 1)
        for field in ("", "Authorization: Bearer unknown\r\n"):
            with socket.create_connection((host, int(port)), 20) as client:
                client.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{field}Content-Length: 1048576\r\n\r\n".encode())
                self.assertIn(b"HTTP/1.1 401 ", client.recv(65536))

    def test_a_tenant_has_half_of_the_streams(self):
        ci, reports = self.token("ci", "builds", "read"), self.token("reports", "reports", "read")
        server = self.new_asking_server().start()
        for _ in range(16):
            self.watch(server, "/v1/jobs:watch", "-H", f"Authorization: Bearer {ci}")

        self.assertEqual(curl(server, "/v1/jobs:watch", token=ci).reason, "HTTP_STREAM_LIMIT")
        self.watch(server, "/v1/jobs:watch", "-H", f"Authorization: Bearer {reports}")

    def test_who_calls_too_often_is_told_when_to_come_back(self):
        ci = self.token("ci", "builds", "read")
        server = self.new_asking_server("callers.calls_per_sec=1").start()
        answers = [curl(server, "/v1/jobs", token=ci) for _ in range(4)]

        refused = [answer for answer in answers if answer.status == 429]
        self.assertTrue(refused, [answer.status for answer in answers])
        self.assertEqual((refused[0].reason, refused[0].field("Retry-After")), ("CALL_RATE", "1"))

    def test_a_watch_tells_one_tenants_jobs_only(self):
        url = self.start_nginx().add("body", b"body")
        ci, reports = self.token("ci", "builds", "submit", "read"), self.token("reports", "reports", "submit", "read")
        server = self.new_asking_server().start()
        job = {"job": {"spec": {"urls": [url]}, "destination": "discard:"}}
        events = self.watch(server, "/v1/jobs:watch?noProgress=true", "-H", f"Authorization: Bearer {reports}")
        post(server, "/v1/jobs", job, token=ci)
        mine = post(server, "/v1/jobs", job, token=reports).json()["name"]

        seen = set()
        for _, _, data in events:
            seen.add(data["name"])
            if data["stateChange"]["state"] == "SUCCEEDED":
                break
        self.assertEqual(seen, {mine})


class ReachTest(JsonTest):
    def test_where_others_reach_it_and_nobody_is_asked_it_is_not_served(self):
        server = self.new_server("admin.insecure=true")
        port = server.admin_address.rsplit(":", 1)[1]
        server.settings.append(f"admin.listen=0.0.0.0:{port}")
        server.start()

        refused = curl(server, "/v1/jobs")
        self.assertEqual((refused.status, "callers.file" in refused.error["message"]), (403, True))
        self.assertEqual(server.health("/readyz")[0], 200)

    def test_where_it_is_off_health_and_metrics_are_left(self):
        server = self.start_server("admin.api=off")

        for path in ("/v1/jobs", "/", "/ui/app.js", "/openapi.json", "/v1/jobs:watch"):
            with self.subTest(path):
                status, body = server.health(path)
                self.assertEqual((status, "admin.api: off" in body), (404, True), body)
        refused = post(server, "/v1/jobs", {"job": {"spec": {"urls": ["https://example.org/"]}, "destination": "discard:"}})
        self.assertEqual(refused.status, 404)
        self.assertEqual([server.health(path)[0] for path in ("/livez", "/readyz", "/metrics")], [200] * 3)
        self.assertEqual(server.json("list"), [])


class ReachedByOthersTest(test_callers.CallersTest):
    def ask(self, scheme, server, path):
        port = server.admin_address.rsplit(":", 1)[1]
        run = subprocess.run(["curl", "-sS", "-k", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {self.admin[1].read_text().strip()}",
                              f"{scheme}://127.0.0.1:{port}{path}"], capture_output=True, text=True, timeout=60, check=True)
        return int(run.stdout)

    def reached(self, *settings):
        server = self.new_asking_server("admin.insecure=true", *settings)
        server.settings.append(f"admin.listen=0.0.0.0:{server.admin_address.rsplit(':', 1)[1]}")
        return server

    def test_tokens_do_not_cross_a_network_in_plain_text(self):
        server = self.reached().start()

        self.assertEqual([self.ask("http", server, path) for path in ("/v1/jobs", "/", "/livez")], [403, 403, 200])

    def test_with_tls_callers_are_asked(self):
        certificate, key = certificates.Authority(self.folder / "ca").issue("admin", "IP:127.0.0.1")
        server = self.reached(f"admin.tls.certificate_file={certificate}", f"admin.tls.key_file={key}").start()

        self.assertEqual(self.ask("https", server, "/v1/jobs"), 200)


class LoadTest(JsonTest):
    def test_many_at_once_are_all_answered(self):
        server = self.start_server()
        failures = []

        def call():
            for _ in range(5):
                answer = curl(server, "/v1/jobs")
                if answer.status != 200:
                    failures.append(answer.body)

        threads = [threading.Thread(target=call) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    harness.main()
