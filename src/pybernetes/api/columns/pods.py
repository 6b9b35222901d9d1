"""A Pod's row: what `kubectl get pods` shows under READY, STATUS and RESTARTS.

Pure.
Upstream: pkg/printers/internalversion (printPod).
"""

from typing import Any

from pybernetes.api.columns.table import AGE, NAME, NONE, Ago, Column, Object, column, dig, path
from pybernetes.apimachinery import timestamps

NODE_LOST = "NodeLost"


def _status(pod: Object) -> Object:
    found: Object = pod.get("status") or {}
    return found


def _restartable(container: Object) -> bool:
    return bool(container.get("restartPolicy") == "Always")


def ready(pod: Object) -> str:
    """`1/2`: ready containers (sidecars count) of all."""
    sidecars = {one["name"] for one in pod["spec"].get("initContainers") or () if _restartable(one)}
    total = len(pod["spec"].get("containers") or ()) + len(sidecars)
    status = _status(pod)
    count = sum(
        1
        for one in status.get("initContainerStatuses") or ()
        if one["name"] in sidecars and one.get("started") and one.get("ready")
    )
    count += sum(
        1
        for one in status.get("containerStatuses") or ()
        if one.get("ready") and (one.get("state") or {}).get("running") is not None
    )
    return f"{count}/{total}"


def reason(pod: Object) -> str:
    """The STATUS column: the phase, or what tells more about it."""
    status = _status(pod)
    shown = status.get("reason") or status.get("phase") or ""
    if any(one["type"] == "PodScheduled" and one.get("reason") == "SchedulingGated" for one in _conditions(pod)):
        shown = "SchedulingGated"
    initializing = _init_reason(pod)
    if initializing:
        shown = initializing
    if not initializing or _condition(pod, "Initialized"):
        shown = _container_reason(pod, shown)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == NODE_LOST:
            return "Unknown"
        if status.get("phase") not in ("Failed", "Succeeded"):
            return "Terminating"
    return str(shown)


def _conditions(pod: Object) -> list[Object]:
    found: list[Object] = list(_status(pod).get("conditions") or ())
    return found


def _condition(pod: Object, name: str) -> bool:
    return any(one["type"] == name and one.get("status") == "True" for one in _conditions(pod))


def _init_reason(pod: Object) -> str:
    """Which init container holds the Pod up, and why ("" when none does)."""
    declared = {one["name"]: one for one in pod["spec"].get("initContainers") or ()}
    for index, one in enumerate(_status(pod).get("initContainerStatuses") or ()):
        state = one.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if _restartable(declared.get(one["name"], {})) and one.get("started"):
            continue
        if ended is not None:
            return "Init:" + _ended(ended)
        if waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(declared)}"
    return ""


def _ended(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _container_reason(pod: Object, shown: str) -> str:
    running = False
    for one in reversed(_status(pod).get("containerStatuses") or ()):
        state = one.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting is not None and waiting.get("reason"):
            shown = waiting["reason"]
        elif ended is not None:
            shown = _ended(ended)
        elif one.get("ready") and state.get("running") is not None:
            running = True
    if shown == "Completed" and running:
        shown = "Running" if _condition(pod, "Ready") else "NotReady"
    return shown


def restarts(pod: Object) -> Ago | str:
    """`3 (2m ago)`: restarts of its containers, and when the last one was."""
    sidecars = {one["name"] for one in pod["spec"].get("initContainers") or () if _restartable(one)}
    status = _status(pod)
    initial = list(status.get("initContainerStatuses") or ())
    counted = list(status.get("containerStatuses") or ()) + [one for one in initial if one["name"] in sidecars]
    if _init_reason(pod) and not _condition(pod, "Initialized"):
        counted = initial
    total = sum(one.get("restartCount", 0) for one in counted)
    ends = [dig(one, ("lastState", "terminated", "finishedAt")) for one in counted]
    last = max((timestamps.parse(end) for end in ends if end), default=None)
    if total and last is not None:
        return Ago(last, f"{total} ({{}} ago)")
    return str(total)


def address(pod: Object) -> str:
    """The Pod's first address."""
    addresses = _status(pod).get("podIPs") or ()
    return str(addresses[0]["ip"]) if addresses else str(_status(pod).get("podIP") or NONE)


def gates(pod: Object) -> str:
    """`1/2`: readiness gates that are true of all."""
    declared = pod["spec"].get("readinessGates") or ()
    if not declared:
        return NONE
    return f"{sum(_condition(pod, one['conditionType']) for one in declared)}/{len(declared)}"


COLUMNS: tuple[Column, ...] = (
    NAME,
    column("Ready", ready),
    column("Status", reason),
    Column("Restarts", restarts),
    AGE,
    column("IP", address, wide=True),
    path("Node", "spec.nodeName", missing=NONE, wide=True),
    path("Nominated Node", "status.nominatedNodeName", missing=NONE, wide=True),
    column("Readiness Gates", gates, wide=True),
)


def row_conditions(pod: Object) -> list[dict[str, Any]]:
    """What `kubectl get` uses to mark finished Pods: a Completed row condition."""
    phase = _status(pod).get("phase")
    messages = {
        "Succeeded": "The pod has completed successfully.",
        "Failed": "The pod failed.",
    }
    if phase not in messages:
        return []
    return [{"type": "Completed", "status": "True", "reason": str(phase), "message": messages[str(phase)]}]
