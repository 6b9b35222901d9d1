"""What the authors of workloads left out: apps, batch, autoscaling, policy.

Pure; every function changes the dict that it is given.
Upstream: pkg/apis/{apps,batch,autoscaling,policy}/v1/defaults.go.
"""

from typing import Any

from pybernetes.api.defaults import pods

Object = dict[str, Any]

QUARTER = "25%"


def _replicas(spec: Object) -> None:
    if spec.get("replicas") is None:
        spec["replicas"] = 1


def replica_set(obj: Object) -> None:
    """A ReplicaSet."""
    spec = obj.setdefault("spec", {})
    _replicas(spec)
    pods.template(spec.setdefault("template", {}))


def deployment(obj: Object) -> None:
    """A Deployment rolls a quarter at a time, keeps ten revisions, gives up after ten minutes."""
    spec = obj.setdefault("spec", {})
    _replicas(spec)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("maxUnavailable", QUARTER)
        rolling.setdefault("maxSurge", QUARTER)
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    if spec.get("progressDeadlineSeconds") is None:
        spec["progressDeadlineSeconds"] = 600
    pods.template(spec.setdefault("template", {}))


def stateful_set(obj: Object) -> None:
    """A StatefulSet goes in order, updates all, keeps its claims."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("serviceName", "")
    _replicas(spec)
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("partition", 0)
        rolling.setdefault("maxUnavailable", 1)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim.setdefault("status", {}).setdefault("phase", "Pending")
    pods.template(spec.setdefault("template", {}))


def daemon_set(obj: Object) -> None:
    """A DaemonSet replaces one Pod at a time."""
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    pods.template(spec.setdefault("template", {}))


def job(obj: Object) -> None:
    """A Job runs once, one Pod at a time, and tries six times."""
    spec = obj.setdefault("spec", {})
    job_spec(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    metadata = obj.setdefault("metadata", {})
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)


def job_spec(spec: Object) -> None:
    """The spec of a Job, also inside a CronJob."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("manualSelector", False)
    spec.setdefault("suspend", False)
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")
    pods.template(spec.setdefault("template", {}))


def cron_job(obj: Object) -> None:
    """A CronJob lets runs overlap and keeps three successes and one failure."""
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    if spec.get("successfulJobsHistoryLimit") is None:
        spec["successfulJobsHistoryLimit"] = 3
    if spec.get("failedJobsHistoryLimit") is None:
        spec["failedJobsHistoryLimit"] = 1
    spec.setdefault("jobTemplate", {}).setdefault("metadata", {})
    inner = spec["jobTemplate"].get("spec")
    if inner is not None:
        pods.template(inner.get("template"))


def horizontal_pod_autoscaler(obj: Object) -> None:
    """An autoscaler keeps at least one replica; v2 has CPU at 80 % as its metric, and rules for its pace."""
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if obj.get("apiVersion") == "autoscaling/v1":
        return
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        for direction, rules in (("scaleUp", _scale_up()), ("scaleDown", _scale_down())):
            given = behavior.get(direction) or {}
            behavior[direction] = {**rules, **{key: value for key, value in given.items() if value is not None}}


def _scale_up() -> Object:
    return {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    }


def _scale_down() -> Object:
    return {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
