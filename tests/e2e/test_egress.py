#!/usr/bin/env python3
"""Where each tenant's URLs may lead: rules and modes of its own, and nobody rides on what another may do."""
import re
import subprocess
import threading

import harness
import test_callers
from dns_server import DnsServer
from objects_case import BUCKET, ObjectsCase


def decisions(server):
    """The lines "egress" of its log, as dictionaries."""
    lines = [line for line in server.log.read_text(errors="replace").splitlines() if " msg=egress " in line]
    return [{key: value.strip('"') for key, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)} for line in lines]


class TenantsTest(test_callers.CallersTest):
    """origin.test is at 127.0.0.1, which is open to the tenant "builds" alone. By their names all may ask for it."""

    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx()
        self.dns = DnsServer({"origin.test": "127.0.0.1", "mirror.internal": "127.0.0.1"})
        self.addCleanup(self.dns.stop)
        self.tokens = {tenant: self.make_token(tenant, tenant, "submit", "read") for tenant in ("builds", "reports")}

    def start(self, *settings):
        return self.new_asking_server(f"dns.servers={self.dns.address}", f"egress.ports=[{self.nginx.port}]", "log.level=debug",
                                      'tenants.builds.egress.allow=["127.0.0.1/32"]', *settings, allow_loopback=False).start()

    def by_name(self, path, host="origin.test"):
        return f"http://{host}:{self.nginx.port}/{path}"

    def get(self, server, tenant, url, **options):
        server.connect = self.tokens[tenant]
        return server.ctl("get", url, "-o", "-", check=False, **options)

    def test_nobody_rides_on_the_connection_or_the_answer_of_another_tenant(self):
        self.nginx.add("body", b"of builds")
        server = self.start()
        url = self.by_name("body")

        self.assertEqual(self.get(server, "builds", url).stdout, "of builds")  # The connection is idle, the name is known.
        refused = self.get(server, "reports", url)
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("TARGET_NOT_ALLOWED", refused.stderr)
        self.assertNotIn("127.0.0.1", refused.stdout + refused.stderr)
        self.assertEqual(self.get(server, "builds", url).stdout, "of builds")

        self.assertEqual(len(self.nginx.requests()), 2)
        self.assertEqual(len(self.dns.asked), 1)
        server.connect = self.admin
        self.assertEqual(server.json("status")[0]["dials"]["connections_opened"], "1")
        denied = [line for line in decisions(server) if line["verdict"] == "denied"]
        self.assertEqual([(line["level"], line["tenant"], line["url"], line["address"], line["reason"], line["rule"], line["mode"])
                          for line in denied],
                         [("warning", "reports", f"http://origin.test:{self.nginx.port}", "127.0.0.1", "LOOPBACK", "127.0.0.0/8",
                           "enforce")])
        metrics = server.health("/metrics")[1]
        self.assertIn('fetchd_egress_decisions_total{verdict="denied",reason="LOOPBACK",mode="enforce"} 1', metrics)

    def test_nobody_joins_a_read_that_another_tenant_began(self):
        self.nginx.add("slow", b"x" * 40_000)
        server = self.start()
        url = self.by_name("slow/slow")
        server.connect = self.tokens["builds"]
        reader = threading.Thread(target=self.get, args=(server, "builds", url))
        reader.start()
        self.addCleanup(reader.join)
        admin = server_as(server, self.admin)
        harness.wait_for(lambda: int(admin().get("transfers", {}).get("in_use", 0)) == 1, "the read of builds is under way")

        refused = self.get(server, "reports", url)

        self.assertEqual(refused.returncode, 5, refused.stderr)

    def test_jobs_are_judged_by_their_tenants_rules_and_named_in_the_log(self):
        url = self.nginx.add("body", b"body")
        server = self.start()
        server.connect = self.tokens["builds"]
        (job,) = server.submit(url + "?secret=1", options=("--wait", "--to", "discard:"))
        self.assertEqual(server.job(job)["state"], "SUCCEEDED")
        self.assertIn("LOOPBACK", self.refused(server, self.tokens["reports"], "submit", url))
        (later,) = server.submit(self.by_name("body"), options=("--to", "discard:"))
        server.ctl("watch", later, check=False)
        self.assertIn("egress policy", server.job(later)["error"]["message"])

        lines = decisions(server)
        of_job = [(line["job"], line["url"], line["rule"]) for line in lines if line["job"] == job]
        self.assertIn((job, f"{url}?[redacted]", "tenants.builds.egress.allow[0] 127.0.0.1/32"), of_job)
        self.assertNotIn("secret=1", server.log.read_text())
        self.assertTrue(any(line["job"] == later and line["verdict"] == "denied" and line["address"] == "127.0.0.1"
                            for line in lines), lines)

    def test_report_lets_pass_what_it_would_deny_and_says_so(self):
        self.nginx.add("body", b"body")
        server = self.start("tenants.builds.egress.mode=report", 'tenants.builds.egress.deny=["origin.test"]')

        self.assertEqual(self.get(server, "builds", self.by_name("body")).stdout, "body")
        self.assertEqual(self.get(server, "builds", self.by_name("body", "mirror.internal")).stdout, "body")

        told = {(line["level"], line["verdict"], line["reason"], line["rule"], line["mode"]) for line in decisions(server)
                if line["verdict"] != "allowed"}
        self.assertEqual(told, {("warning", "passed", "DENIED_BY_RULE", "tenants.builds.egress.deny[0] origin.test", "report"),
                                ("warning", "passed", "HOST_NAME", "*.internal", "report")})

    def test_check_says_whose_rules_it_asked_and_what_a_mode_lets_pass(self):
        server = self.start("tenants.trial.egress.mode=report", "tenants.lax.egress.mode=open")
        server.connect = self.admin
        for tenant, mode in (("trial", "report"), ("lax", "open")):
            for url, allowed, reason in (("http://10.0.0.1:9200/", True, "PRIVATE"), ("http://127.0.0.1/", False, "LOOPBACK"),
                                         ("http://169.254.169.254/", False, "LINK_LOCAL"),
                                         ("http://[fd00:ec2::254]/", False, "CLOUD_METADATA")):
                with self.subTest(tenant=tenant, url=url):
                    answer = server.json("check", "--tenant", tenant, url, check=False)[0]
                    self.assertEqual((answer.get("allowed", False), answer["reason"], answer["tenant"], answer["mode"]),
                                     (allowed, reason, tenant, mode), answer)
        self.assertIn('let through by the mode "report"', server.ctl("check", "--tenant", "trial", "-o", "wide", "http://10.0.0.1/").stdout)
        self.assertIn("TENANT_NOT_ALLOWED",
                      self.refused(server, self.tokens["reports"], "check", "--tenant", "builds", "http://127.0.0.1/"))
        server.connect = self.tokens["builds"]
        self.assertTrue(server.json("check", "http://127.0.0.1/")[0]["allowed"])


def server_as(server, connect):
    """Asks for the status as somebody else, whoever `server.connect` is now."""
    def status():
        run = subprocess.run([harness.binaries["fetchctl"], "--server", server.address, *map(str, connect), "status", "-o", "json"],
                             capture_output=True, text=True, timeout=60, check=True)
        return harness.json.loads(run.stdout)
    return status


class ConfigurationTest(harness.TestCase):
    def check(self, *settings):
        server = self.new_server(*settings)
        return subprocess.run([*server.command(), "--check-config"], capture_output=True, text=True, timeout=60)

    def test_what_is_wrong_is_told_by_key(self):
        run = self.check("tenants.builds.egress.mode=lax", 'tenants.builds.egress.allow=["300.0.0.1/8"]',
                         'tenants.Builds.egress.deny=["10.0.0.0/8"]')

        self.assertNotEqual(run.returncode, 0)
        for told in ("tenants.builds.egress.mode: expects enforce | report | open", "tenants.builds.egress.allow: ",
                     "tenants.Builds.egress.deny: a tenant is"):
            self.assertIn(told, run.stderr + run.stdout)

    def test_a_mode_that_opens_private_networks_is_remarked_upon(self):
        run = self.check("tenants.builds.egress.mode=report")

        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("tenants.builds.egress.mode: report lets URLs of this tenant reach private networks", run.stderr + run.stdout)


class StoresTest(ObjectsCase):
    def test_deny_rules_of_a_tenant_hold_for_stores_that_are_sources(self):
        origin = self.start_origin(b"of the store")
        server = self.start_with_store(origin, "stores.lab.sources=true", 'tenants.reports.egress.deny=["127.0.0.1/32"]')
        self.assert_succeeds(server, self.submit(server, origin.url(), f"s3://{BUCKET}/{self.key()}"))
        source = f"s3://{BUCKET}/{self.key()}"
        self.assert_succeeds(server, self.submit(server, source, "file:a"))

        job = self.submit(server, source, "file:b", "--tenant", "reports")

        self.assert_fails(server, job, "tenants.reports.egress.deny[0] 127.0.0.1/32", code=5)


if __name__ == "__main__":
    harness.main()
