"""k8s/ as Kubernetes 1.20 takes it: newer versions and fields become what there was, and what nothing in the test's cluster would serve
is left out. What is lost by it is not tested: see LOST."""
import json

LOST = """policy/v1 and unhealthyPodEvictionPolicy, preStop.sleep (here: the program), a probe's terminationGracePeriodSeconds,
ReadWriteOncePod, ServiceMonitor, PrometheusRule, autoscaling/v2, matchLabelKeys; NetworkPolicies are taken and not enforced"""
KINDS_LEFT_OUT = {"ServiceMonitor", "PrometheusRule", "HorizontalPodAutoscaler"}


def pod(spec):
    for container in spec["containers"]:
        hook = container.get("lifecycle", {}).get("preStop", {})
        if "sleep" in hook:
            container["lifecycle"]["preStop"] = {"exec": {"command": ["/bin/sleep", str(hook["sleep"]["seconds"])]}}
        container.get("livenessProbe", {}).pop("terminationGracePeriodSeconds", None)
    for constraint in spec.get("topologySpreadConstraints", []):
        constraint.pop("matchLabelKeys", None)
    return spec


def object_of_1_20(entry, replicas):
    kind = entry["kind"]
    if kind in KINDS_LEFT_OUT:
        return None
    entry = json.loads(json.dumps(entry))
    if kind == "Deployment":
        entry["spec"].setdefault("replicas", replicas)  # Else the autoscaler says how many.
        pod(entry["spec"]["template"]["spec"])
    elif kind == "PodDisruptionBudget":
        entry["apiVersion"] = "policy/v1beta1"
        entry["spec"].pop("unhealthyPodEvictionPolicy", None)
    elif kind == "PersistentVolumeClaim":
        entry["spec"] |= {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    return entry


def convert(entries, replicas):
    converted = [object_of_1_20(entry, replicas) for entry in entries]
    return [entry for entry in converted if entry is not None]
