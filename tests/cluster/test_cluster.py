#!/usr/bin/env python3
"""k8s/overlays in a real Kubernetes 1.20.2 of one node. scripts/cluster-test runs it."""
import copy
import os
import signal
import unittest

import cluster
import overlay_case
from cluster import harness, lab

import callers  # noqa: E402  lab knows where they are.
import object_gateway
import postgres_server


def setUpModule():
    if reason := cluster.why_not():
        lab.skip(reason)
    overlay_case.OverlayCase.site = overlay_case.Site()
    unittest.addModuleCleanup(overlay_case.OverlayCase.site.ends.close)


class StandaloneTest(overlay_case.OverlayCase):
    overlay = "standalone"

    @classmethod
    def before_the_overlay(cls):
        cls.data = cls.place / "data"
        cls.data.mkdir()
        os.chown(cls.data, lab.USER, lab.USER)  # hostPath knows no fsGroup.
        return [{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "", "hostPath": {"path": str(cls.data)}}}]

    def setUp(self):
        super().setUp()
        self.body = harness.pattern(3_000_000)
        self.url = self.nginx.add("body", self.body).replace("/body", "/slow/body")

    def pod(self):
        return next(iter(self.pods()), None)

    def is_ready(self):
        return next(iter(self.ready_pods()), None)

    def test_the_server_takes_every_object_and_refuses_wrong_ones(self):
        self.apply(self.objects, "--dry-run=server")
        wrong = copy.deepcopy(self.objects)
        next(entry for entry in wrong if entry["kind"] == "Deployment")["spec"]["template"]["spec"]["volumes"] = []
        refused = self.apply(wrong, "--dry-run=server", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("volumeMounts", refused.stderr)

    def test_the_pod_has_no_rights(self):
        [status] = self.processes().values()
        for line in (rf"Gid:\s+{lab.USER}\s", r"CapEff:\s+0+\n", r"CapBnd:\s+0+\n", r"NoNewPrivs:\s+1\n", r"Seccomp:\s+2\n"):
            self.assertRegex(status, line)

    def test_an_update_keeps_the_jobs(self):
        job = self.submit("file:update", self.url)
        self.runs(job)
        self.roll()

        self.assertEqual(self.ends(job), "SUCCEEDED")
        self.assertEqual((self.data / "files/update").read_bytes(), self.body)

    def test_who_hangs_is_restarted_and_loses_no_job(self):
        job = self.submit("file:hang", self.url)
        [pid] = self.processes()
        os.kill(pid, signal.SIGSTOP)
        harness.wait_for(lambda: (pod := self.pod()) and pod["status"]["containerStatuses"][0]["restartCount"] > 0,
                         "the kubelet restarts it", 240)
        harness.wait_for(self.is_ready, "it is ready again", 120)

        self.assertEqual(self.ends(job), "SUCCEEDED")

    def test_the_budget_lets_one_go(self):
        name = self.pod()["metadata"]["name"]
        self.evict(name)
        harness.wait_for(lambda: (pod := self.is_ready()) and pod["metadata"]["name"] != name, "another one takes its place", 120)


class FleetTest(overlay_case.OverlayCase):
    """With a PostgreSQL and a store of objects beside the cluster."""

    overlay = "fleet"
    replicas = 3
    slow_rate = "48k"

    @classmethod
    def start_neighbours(cls):
        cls.postgres = postgres_server.PostgresServer(cls.place / "postgres", cluster.ADDRESS, cluster.PODS)
        cls.addClassCleanup(cls.postgres.stop)
        cls.postgres.query("CREATE ROLE fetchd LOGIN PASSWORD 'of-the-test'")
        cls.postgres.query("CREATE DATABASE fetchd OWNER fetchd")
        cls.gateway = object_gateway.ObjectGateway(cls.place / "ceph", address=cluster.ADDRESS)
        cls.addClassCleanup(cls.gateway.stop)
        cls.gateway.make_bucket("results")
        cls.body = harness.pattern(120_000)
        cls.last_url = cls.nginx.add("body", cls.body)
        cls.url = cls.last_url.replace("/body", "/slow/body")

    @classmethod
    def settings(cls):
        return {**super().settings(), "access_key_id: fetchd": f"access_key_id: {object_gateway.ACCESS_KEY}",
                "endpoint: https://objects.example.org": f"endpoint: {cls.gateway.endpoint}\n        path_style: true"}

    @classmethod
    def secrets(cls):
        return {**super().secrets(), "fetchd-objects": {"secret-access-key": cls.file("secret-access-key", object_gateway.SECRET_KEY)},
                "fetchd-store": {"url": cls.file("url", f"postgres://fetchd@{cluster.ADDRESS}:{cls.postgres.port}/fetchd"),
                                 "password": cls.file("password", "of-the-test\n")}}

    def three(self):
        return harness.wait_for(lambda: len(pods := self.ready_pods()) == 3 and pods, "three are ready", 120)

    def stored(self, key):
        return self.gateway.get("results", key) == self.body

    def test_the_server_takes_every_object(self):
        self.apply(self.objects, "--dry-run=server")

    def test_any_replica_knows_every_job(self):
        first, *others = self.three()
        job = self.submit("s3://results/shared", self.last_url, pod=first)
        self.assertEqual(self.ends(job), "SUCCEEDED")

        self.assertTrue(self.stored("shared"))
        self.assertEqual([self.state(job, pod) for pod in others], ["SUCCEEDED"] * 2)

    def test_an_update_loses_no_job_fails_no_call_and_leaves_watches_whole(self):
        service = self.cluster.kubectl("get", "service", "fetchd", "--namespace", "fetchd", "--output", "jsonpath={.spec.clusterIP}").stdout
        certificate, key = self.identity
        load = callers.Callers(self.place, f"{service}:7070", (self.url, self.last_url), self.replicas, "--shared", "--pause", 0.1,
                               "--destination", "s3://results/", "--server-name", "fetchd",
                               "--ca", self.authority.file, "--certificate", certificate, "--key", key)
        self.addCleanup(load.stop)
        load.await_begin()
        harness.wait_for(lambda: self.counts().get("RUNNING", 0) > 3, "they are at work")
        self.roll()
        load.settle()
        counts = harness.wait_for(lambda: set(now := self.counts()) <= harness.TERMINAL and now, "the jobs have ended", 120)
        met = load.report()

        self.assertEqual(set(counts), {"SUCCEEDED"})
        callers.assert_nothing_failed(self, met)
        self.assertEqual([identity for identity in met["accepted"] if not self.stored(identity)], [])
        callers.assert_watches_are_whole(self, met)

    def counts(self):
        states = self.ctl("status", "-o", "json")[0].get("jobs_by_state", {})
        return {state: int(count) for state, count in states.items() if int(count)}

    def test_who_is_killed_loses_no_job(self):
        jobs = [self.submit(f"s3://results/killed-{number}", self.url, pod) for number, pod in enumerate(self.three())]
        for job in jobs:
            harness.wait_for(lambda: self.state(job) != "QUEUED", "it is begun")
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        harness.wait_for(lambda: sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in self.pods()) >= self.replicas
                         and len(self.ready_pods()) == self.replicas, "the kubelet starts them anew", 120)

        self.assertEqual([self.ends(job) for job in jobs], ["SUCCEEDED"] * len(jobs))
        self.assertEqual([number for number in range(len(jobs)) if not self.stored(f"killed-{number}")], [])

    def test_the_budget_lets_one_go_at_a_time(self):
        first, second, _ = (pod["metadata"]["name"] for pod in self.three())
        self.evict(first)
        refused = self.evict(second, check=False)

        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("disruption budget", refused.stderr)
        self.await_rollout()


if __name__ == "__main__":
    lab.enter()
    harness.main()
