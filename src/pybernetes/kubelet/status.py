"""What the node knows of its pods goes to the API, and the last word on a deleted pod is its removal.

For each pod there is at most one request under way; what comes meanwhile is sent together afterwards. A patch carries
only what differs from what the server has, and the pod's uid, so that it cannot hit a successor of the same name.

Path: 16 status goes back. Upstream: pkg/kubelet/status/status_manager.go.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import rest, transport
from pybernetes.kubelet import pod_conditions, pod_status, static_pods
from pybernetes.telemetry import traces

logger = logging.getLogger(__name__)

_RETRY = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_MERGED = {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"}
"""Lists that are merged, and by what."""
_ABSENT: Mapping[str, Any] = {}


@dataclasses.dataclass(slots=True)
class _Entry:
    pod: core.Pod
    status: core.PodStatus
    version: int = 1
    sent: int = 0
    finished: bool = False
    busy: bool = False
    changed: bool = False
    """whether the pod changed in the API while a request was under way"""


class StatusManager:
    """The statuses of this node's pods; `could_run` tells whether containers of a pod may still be running."""

    def __init__(
        self,
        client: rest.Client,
        clock: clocks.Clock,
        group: tasks.TaskGroup,
        current: Callable[[str], core.Pod | None],
        could_run: Callable[[str], bool],
    ) -> None:
        self._pods = client.resource(core.Pod)
        self._clock = clock
        self._group = group
        self._current = current
        self._could_run = could_run
        self._entries: dict[str, _Entry] = {}
        self._answers: dict[str, core.Pod] = {}
        """the pod as the server answered last"""

    def get(self, uid: str) -> core.PodStatus | None:
        """The status last set."""
        entry = self._entries.get(uid)
        return entry.status if entry is not None else None

    def set(self, pod: core.Pod, status: core.PodStatus) -> None:
        """Report this status."""
        self._update(pod, status, finished=False)

    def terminate(self, pod: core.Pod) -> None:
        """All is over: report final states, and remove the pod if it was deleted.

        Upstream: TerminatePod.
        """
        status = pod_status.terminated(pod, self.get(pod.metadata.uid) or pod.status)
        self._update(pod, status, finished=True)

    def _update(self, pod: core.Pod, status: core.PodStatus, *, finished: bool) -> None:
        uid = pod.metadata.uid
        entry = self._entries.get(uid)
        old = entry.status if entry is not None else pod.status
        settled = pod_status.settle(pod, status, old, timestamps.format_time(self._clock.now()))
        if entry is None:
            entry = self._entries[uid] = _Entry(pod, settled)
        else:
            entry.pod = pod
            if entry.status == settled and not finished:
                return
            entry.status = settled
            entry.version += 1
        entry.finished = entry.finished or finished
        self._flush(uid)

    def _flush(self, uid: str) -> None:
        """Send what has not been sent."""
        entry = self._entries.get(uid)
        if entry is not None and not entry.busy and (entry.sent < entry.version or entry.finished):
            entry.busy = True
            self._group.start(self._send(uid, entry), f"status of {entry.pod.metadata.name}")

    def reconcile(self, uid: str) -> None:
        """The pod changed in the API: send what is due, and again what somebody else has overwritten.

        Upstream: needsReconcile.
        """
        entry = self._entries.get(uid)
        if entry is None:
            return
        entry.changed = entry.busy
        if not entry.busy:
            base = self._server_pod(uid, entry)
            merged = merge(base, entry.status, could_run=self._could_run(uid))
            if status_patch(base.status, _same_times(merged, base.status)):
                entry.sent = 0
            self._flush(uid)

    def forget(self, uid: str) -> None:
        """The pod is gone from the API and from this node."""
        self._entries.pop(uid, None)
        self._answers.pop(uid, None)

    async def _send(self, uid: str, entry: _Entry) -> None:
        """Send until the server has the newest version, and delete the pod if that is due."""
        attempt = 0
        try:
            while self._entries.get(uid) is entry:
                try:
                    version = entry.version
                    await self._patch(uid, entry)
                    entry.sent = max(entry.sent, version)
                    if entry.version == version:
                        if entry.finished:
                            await self._delete(uid, entry)
                        return
                    attempt = 0
                except errors.NotFound:
                    return  # the source will tell that it is gone
                except (errors.StatusError, transport.TransportError) as failure:
                    logger.warning("status of %s: %s", meta.key(entry.pod), failure)
                    await self._clock.sleep(_RETRY[min(attempt, len(_RETRY) - 1)])
                    attempt += 1
        finally:
            entry.busy = False
        if entry.changed:
            self.reconcile(uid)

    def _server_pod(self, uid: str, entry: _Entry) -> core.Pod:
        """The newest version of the pod that is known: from the watch or from the last answer."""
        seen = self._current(uid) or entry.pod
        answered = self._answers.get(uid)
        if answered is not None and _version(answered) > _version(seen):
            return answered
        return seen

    async def _patch(self, uid: str, entry: _Entry) -> None:
        base = self._server_pod(uid, entry)
        merged = merge(base, entry.status, could_run=self._could_run(uid))
        patch = status_patch(base.status, merged)
        if not patch:
            return
        traces.step(24 if merged.phase == "Pending" else 27, meta.key(base), f"{merged.phase} is reported")
        metadata = base.metadata
        body = {"metadata": {"uid": metadata.uid}, "status": patch}
        self._answers[uid] = await self._pods.patch(
            metadata.name, body, metadata.namespace, type="strategic", subresource="status"
        )

    async def _delete(self, uid: str, entry: _Entry) -> None:
        """Remove a deleted pod whose containers are gone and whose end the API has been told."""
        pod = self._server_pod(uid, entry)
        if pod.metadata.deletionTimestamp is None or not pod_conditions.is_terminal(pod.status.phase):
            return
        if static_pods.is_mirror(pod):
            return  # mirrors go by other rules
        traces.step(33, meta.key(pod))
        metadata = pod.metadata
        try:
            await self._pods.delete(metadata.name, metadata.namespace, grace_period=0, uid=metadata.uid)
        except errors.Conflict:
            logger.info("pod %s has been replaced by another of that name", meta.key(pod))
        entry.finished = False


def _version(pod: core.Pod) -> int:
    text = pod.metadata.resourceVersion
    return int(text) if text.isdigit() else 0


def merge(pod: core.Pod, new: core.PodStatus, *, could_run: bool) -> core.PodStatus:
    """What to report: the phase stays while containers may run; others' conditions and claims stay theirs."""
    old = pod.status
    changes: dict[str, Any] = {
        "resourceClaimStatuses": old.resourceClaimStatuses,
        "extendedResourceClaimStatus": old.extendedResourceClaimStatus,
        "nodeAllocatableResourceClaimStatuses": old.nodeAllocatableResourceClaimStatuses,
        "nominatedNodeName": old.nominatedNodeName,
        "volumeHealth": old.volumeHealth,
        "resize": old.resize,
    }
    ending = pod_conditions.is_terminal(new.phase) and not pod_conditions.is_terminal(old.phase)
    conditions = [one for one in old.conditions if one.type not in pod_conditions.OWNED]
    for one in new.conditions:
        if one.type in pod_conditions.OWNED:
            conditions.append(one)
        elif one.type == pod_conditions.DISRUPTION_TARGET and ending and not could_run:
            conditions = [other for other in conditions if other.type != one.type] + [one]
    if ending and could_run:
        changes.update(phase=old.phase, reason=old.reason, message=old.message)
    phase = changes.get("phase", new.phase)
    if pod_conditions.is_terminal(phase):
        conditions = [_not_ready(pod, one, phase) for one in conditions]
    return msgspec.structs.replace(new, conditions=tuple(conditions), **changes)


def _not_ready(pod: core.Pod, condition: core.PodCondition, phase: str) -> core.PodCondition:
    if condition.type not in (pod_conditions.READY, pod_conditions.CONTAINERS_READY) or condition.status != "True":
        return condition
    ended = pod_conditions.terminal(pod, condition.type, phase)
    return msgspec.structs.replace(ended, lastTransitionTime=condition.lastTransitionTime)


def _same_times(new: core.PodStatus, old: core.PodStatus) -> core.PodStatus:
    """`new`, with the times that the same conditions have in `old`."""
    before = {one.type: one for one in old.conditions}

    def timed(one: core.PodCondition) -> core.PodCondition:
        known = before.get(one.type, one)
        return msgspec.structs.replace(
            one, lastTransitionTime=known.lastTransitionTime, lastProbeTime=known.lastProbeTime
        )

    return msgspec.structs.replace(new, conditions=tuple(timed(one) for one in new.conditions))


def status_patch(old: core.PodStatus, new: core.PodStatus) -> dict[str, Any]:
    """A strategic merge patch from one status to another; empty when they are the same."""
    if old == new:
        return {}
    before, after = meta.to_dict(old), meta.to_dict(new)
    patch: dict[str, Any] = {}
    for member in before.keys() | after.keys():
        if before.get(member) == after.get(member):
            continue
        if member in _MERGED:
            if changed := _list_patch(before.get(member, ()), after.get(member, ()), _MERGED[member]):
                patch[member] = changed
        else:
            patch[member] = after.get(member)
    return patch


def _list_patch(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Changed entries, and orders to delete those that are gone."""
    before = {one[key]: one for one in old}
    present = {one[key] for one in new}
    changed = []
    for one in new:
        known = before.get(one[key])
        if known != one:
            dropped = {member: None for member in known or _ABSENT if member not in one}
            changed.append({**dropped, **one})
    return changed + [{"$patch": "delete", key: name} for name in before if name not in present]
