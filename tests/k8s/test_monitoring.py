#!/usr/bin/env python3
"""Alerts and the dashboard: what they ask for is there, they fire when they should, and the runbook has a section for each."""
import json
import os
import re
import shutil
import sys

import kustomize
from kustomize import K8S, REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests/e2e"))
import harness  # noqa: E402

DASHBOARD = K8S / "components/monitoring/dashboards/fetchd.json"
PROMTOOL = shutil.which("promtool") or "/usr/bin/promtool"
GRAFANA_VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h", "$namespace": ".*"}
# What Prometheus makes itself.
ALWAYS_THERE = {"up"}


def setUpModule():
    reason = kustomize.why_not() or (None if os.path.exists(PROMTOOL) else "promtool is not installed (scripts/install-deps test)")
    if reason:
        print(f"SKIPPED, ALERTS AND DASHBOARD ARE NOT CHECKED: {reason}", flush=True)
        sys.exit(77)


def known_metrics():
    """Names that docs/metrics.md, which is made from the code, has; with those of histograms."""
    known = set()
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", (REPOSITORY / "docs/metrics.md").read_text(), re.M):
        known |= {name} if kind != "histogram" else {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return known


def used_metrics(expression):
    return set(re.findall(r"\b(?:fetchd|process)_\w+|\bup\b", expression))


def anchors(markdown):
    return {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in markdown.splitlines() if line.startswith("#")}


class MonitoringTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        rendered = self.write("standalone.yaml", kustomize.render(K8S / "overlays/standalone"))
        self.objects = kustomize.objects(rendered)
        self.groups = self.objects["PrometheusRule/fetchd"]["spec"]
        self.rules = [rule for group in self.groups["groups"] for rule in group["rules"]]
        self.dashboard = json.loads(DASHBOARD.read_text())
        self.panels = [panel for panel in self.dashboard["panels"] if panel["type"] != "row"]

    def write(self, name, text):
        file = self.folder / name
        file.write_text(text)
        return file

    def promtool(self, *arguments):
        return kustomize.run(PROMTOOL, *arguments, cwd=self.folder)

    def check_rules(self, groups):
        return self.promtool("check", "rules", self.write("rules.json", json.dumps(groups)))

    def expressions(self):
        for panel in self.panels:
            for target in panel["targets"]:
                expression = target["expr"]
                for name, value in GRAFANA_VARIABLES.items():
                    expression = expression.replace(name, value)
                yield panel["title"], expression

    def test_rules_are_what_prometheus_reads(self):
        run = self.check_rules(self.groups)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

        for wrong in ({"expr": "rate(fetchd_jobs)"}, {"forr": "5m"}, {"expr": "sum("}):
            with self.subTest(wrong):
                groups = json.loads(json.dumps(self.groups))
                groups["groups"][0]["rules"][0].update(wrong)
                self.assertNotEqual(self.check_rules(groups).returncode, 0)

    def test_every_alert_fires_where_all_is_wrong_and_none_where_all_is_well(self):
        self.write("rules.json", json.dumps(self.groups))
        tests = (kustomize.HERE / "rules_test.yml").read_text()
        run = self.promtool("test", "rules", self.write("rules_test.yml", tests))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(set(re.findall(r'alertname="(\w+)"', tests)), {rule["alert"] for rule in self.rules})

        quiet = self.write("rules_test.yml", tests.replace("values: '900x120'", "values: '100x120'"))
        self.assertNotEqual(self.promtool("test", "rules", quiet).returncode, 0, "an alert that does not fire is not noticed")

    def test_every_alert_has_its_section_in_the_runbook(self):
        sections = anchors((REPOSITORY / "docs/operate.md").read_text())
        for rule in self.rules:
            with self.subTest(rule["alert"]):
                page, anchor = rule["annotations"]["runbook_url"].split("#")
                self.assertTrue(page.endswith("/operate.md"))
                self.assertEqual(anchor, rule["alert"].lower())
                self.assertIn(anchor, sections)
                self.assertIn(rule["labels"]["severity"], ("page", "ticket"))

    def test_what_is_asked_for_is_measured(self):
        autoscaler = (K8S / "overlays/fleet/autoscaler.yaml").read_text()
        asked = {metric for rule in self.rules for metric in used_metrics(rule["expr"])} | \
            {metric for _, expression in self.expressions() for metric in used_metrics(expression)} | \
            set(re.findall(r"name: (fetchd_\w+)", autoscaler))
        self.assertIn("fetchd_queue_oldest_seconds", asked)
        self.assertEqual(asked - known_metrics() - ALWAYS_THERE, set())

    def test_the_dashboard_asks_what_prometheus_reads(self):
        rules = [{"record": f"panel:{number}", "expr": expression} for number, (_, expression) in enumerate(self.expressions())]
        self.assertGreater(len(rules), 15)
        run = self.check_rules({"groups": [{"name": "dashboard", "rules": rules}]})
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_the_dashboard_has_the_five_dials_and_its_panels_do_not_overlap(self):
        self.assertEqual([panel["title"] for panel in self.panels[:5]],
                         ["Connection reuse", "Pool wait, 99 %", "Peak in flight against its cap", "Retry rate", "Loop lag"])
        taken = {}
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']} lies over {taken.get((x, y))}")
                    taken[x, y] = panel["title"]
        self.assertEqual(len({panel["id"] for panel in self.dashboard["panels"]}), len(self.dashboard["panels"]))

    def typed(self, **dashboards):
        """What TypeScript says of them against Grafana's own types."""
        files = [self.write(f"{name}.ts", "import type {Dashboard} from '@grafana/schema';\n"
                            f"export const dashboard = {json.dumps(dashboard)} satisfies Partial<Dashboard>;\n")
                 for name, dashboard in dashboards.items()]
        (self.folder / "node_modules").symlink_to(kustomize.MODULES / "node_modules")
        return kustomize.run("node", self.folder / "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck",
                             "--module", "nodenext", "--moduleResolution", "nodenext", *files, cwd=self.folder)

    def test_the_dashboard_has_grafanas_types(self):
        wrong = {"field": {"graphToolTip": 1}, "text": {"uid": 5},
                 "deep": {"panels": [{**self.dashboard["panels"][1], "gridPos": {"x": "0", "y": 0, "w": 1, "h": 1}}]}}
        run = self.typed(shipped=self.dashboard, **{name: {**self.dashboard, **change} for name, change in wrong.items()})
        self.assertEqual({line.split(".ts(")[0] for line in run.stdout.splitlines() if ".ts(" in line}, set(wrong), run.stdout[-2000:])

    def test_what_grafana_is_given_is_the_file(self):
        self.assertEqual(json.loads(self.objects["ConfigMap/fetchd-dashboard"]["data"]["fetchd.json"]), self.dashboard)


if __name__ == "__main__":
    harness.main()
