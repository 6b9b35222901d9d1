"""Invariants of a ReplicaSet's journey, checked from what a cluster tells of itself: watch, audit, Events, logs.

Pure: records in, findings out. `Journey` holds the records of one run; `check` names every invariant that is broken.
I5 (one sync per key at a time) and I6 (no writes while expectations are open) are read off the controller's log and the
audit log: what a sync announces is done, and nothing else, before the next one announces anything.
"""

import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pybernetes.apimachinery import timestamps

Object = Mapping[str, Any]

BURST_REPLICAS = 500
CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
STEPS = ("SuccessfulCreate", "Scheduled", "Pulling", "Pulled", "Created", "Started", "Killing")
"""Reasons of Events in their order; Pulling only comes where an image is pulled."""
ANNOUNCED = re.compile(
    r'I(?P<time>\d{4} [\d:.]+) .*Too (few|many) replicas owner=.* (?P<verb>creat|delet)ing="(?P<count>\d+)"'
)
SANDBOX = re.compile(
    r'time="(?P<time>[^"]+)".*RunPodSandbox for &PodSandboxMetadata\{Name:(?P<name>[^,]+),.*Attempt:0,\}"'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One watch event: its type and the object (plain)."""

    type: str
    object: Object
    at: datetime.datetime
    """When it was heard of."""

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])

    @property
    def version(self) -> int:
        """The object's resourceVersion."""
        return int(self.object["metadata"]["resourceVersion"])


@dataclasses.dataclass(frozen=True, slots=True)
class Journey:
    """What was recorded of one ReplicaSet: changes of its Pods in order, and what was written down meanwhile."""

    pods: Sequence[Change]
    audit: Sequence[Object]
    events: Sequence[Object]
    """Events (the kind) of the ReplicaSet and its Pods."""
    log: Sequence[str]
    """The controller manager's log lines."""
    cri: Sequence[str]
    """The runtime's log lines."""
    wanted: int
    """How many Pods the ReplicaSet should have at most at any time, those being replaced not counted."""


def check(journey: Journey) -> list[str]:
    """Every broken invariant in a sentence that starts with its number."""
    return [
        *_created_unassigned(journey),
        *_bound_once(journey),
        *_runtime_after_binding(journey),
        *_batches(journey),
        *_one_sync_at_a_time(journey),
        *_never_too_many(journey),
        *_steps_in_order(journey),
        *_running_after_started(journey),
        *_deleted_by_the_node(journey),
        *_replaced_before_gone(journey),
        *_versions_rise(journey),
    ]


def _by_pod(journey: Journey) -> dict[str, list[Change]]:
    grouped: dict[str, list[Change]] = {}
    for change in journey.pods:
        grouped.setdefault(change.name, []).append(change)
    return grouped


def _created_unassigned(journey: Journey) -> Iterator[str]:
    for name, changes in _by_pod(journey).items():
        first = changes[0].object
        if first["spec"].get("nodeName"):
            yield f"I1: the first version of {name} has a node"
        if sum(bool(owner.get("controller")) for owner in first["metadata"].get("ownerReferences") or ()) != 1:
            yield f"I1: the first version of {name} has not exactly one controller"


def _bound_once(journey: Journey) -> Iterator[str]:
    bindings = [_reference(event)["name"] for event in _audited(journey, "create", "pods", "binding")]
    for name, changes in _by_pod(journey).items():
        nodes = [change.object["spec"].get("nodeName", "") for change in changes]
        moves = [(old, new) for old, new in itertools.pairwise(nodes) if old != new]
        if len(moves) > 1 or any(old for old, _ in moves):
            yield f"I2: {name} changed its node: {moves}"
        if moves and bindings.count(name) != 1:
            yield f"I2: {name} was bound {bindings.count(name)} times"


def _runtime_after_binding(journey: Journey) -> Iterator[str]:
    bound = {_reference(event)["name"]: _received(event) for event in _audited(journey, "create", "pods", "binding")}
    for line in journey.cri:
        found = SANDBOX.match(line)
        if found is not None and found["name"] in bound:
            started = datetime.datetime.fromisoformat(found["time"][:26] + "+00:00")
            if started < bound[found["name"]]:
                yield f"I3: the runtime was asked for {found['name']} before its binding"


def _batches(journey: Journey) -> Iterator[str]:
    """Creates that overlap in time are one batch; a batch is at most twice the one before it."""
    creates = sorted(
        (_received(event), _completed(event))
        for event in _audited(journey, "create", "pods", "")
        if event["user"].get("username") == CONTROLLER
    )
    if not creates:
        yield "I4: no create by the controller is on record"
    if len(creates) > BURST_REPLICAS:
        yield f"I4: {len(creates)} creates in one run"
    if len(creates) > 1 and creates[1][0] < creates[0][1]:
        yield "I4: the second create did not wait for the first"


def _one_sync_at_a_time(journey: Journey) -> Iterator[str]:
    """From one announcement to the next the controller makes and deletes what it announced, no more and no less."""
    found = [match for line in journey.log if (match := ANNOUNCED.match(line))]
    writes = {
        verb: [
            _received(event)
            for event in _audited(journey, f"{verb}e", "pods", "")
            if event["user"].get("username") == CONTROLLER
        ]
        for verb in ("creat", "delet")
    }
    year = max((when for times in writes.values() for when in times), default=datetime.datetime.max).year
    starts = [
        datetime.datetime.strptime(f"{year}{match['time']}", "%Y%m%d %H:%M:%S.%f").astimezone() for match in found
    ]
    if not found:
        yield "I5: the controller announced nothing"
    for match, start, end in itertools.zip_longest(found, starts, starts[1:]):
        for verb, times in writes.items():
            done = sum(start <= when and (end is None or when < end) for when in times)
            if done != (wanted := int(match["count"]) if verb == match["verb"] else 0):
                yield f"I5/I6: after {match['time']} {done} {verb}ions of Pods instead of {wanted}"


def _never_too_many(journey: Journey) -> Iterator[str]:
    alive: set[str] = set()
    for change in journey.pods:
        if change.type == "DELETED" or change.object["metadata"].get("deletionTimestamp"):
            alive.discard(change.name)
        else:
            alive.add(change.name)
        if len(alive) > journey.wanted:
            yield f"I6: {len(alive)} Pods at resourceVersion {change.version}, {journey.wanted} wanted"
            return


def _happened(event: Object) -> int:
    """When an Event was made, in nanoseconds: recorders put it into the name, everything else is in seconds."""
    return int(event["metadata"]["name"].rpartition(".")[2], 16)


def _events_of(journey: Journey, pod: str) -> dict[str, list[int]]:
    """When each reason came up for a Pod."""
    found: dict[str, list[int]] = {}
    for event in journey.events:
        created = event["reason"] == "SuccessfulCreate" and event["message"] == f"Created pod: {pod}"
        if created or event["involvedObject"].get("name") == pod:
            found.setdefault(event["reason"], []).append(_happened(event))
    return found


def _steps_in_order(journey: Journey) -> Iterator[str]:
    """The last of a step comes before the first of the next."""
    for name, changes in _by_pod(journey).items():
        events = _events_of(journey, name)
        ran = any(change.object["status"].get("phase") == "Running" for change in changes)
        needed = [*STEPS[:2], *STEPS[3:6]] if ran else []
        if ran and changes[-1].type == "DELETED":
            needed.append(STEPS[6])
        if missing := [reason for reason in needed if reason not in events]:
            yield f"I7: no Event {', '.join(missing)} for {name}"
        known = [reason for reason in STEPS if reason in events]
        for before, after in itertools.pairwise(known):
            if max(events[before]) > min(events[after]):
                yield f"I7: {before} of {name} is later than {after}"


def _running_after_started(journey: Journey) -> Iterator[str]:
    for name, changes in _by_pod(journey).items():
        running = next((one for one in changes if one.object["status"].get("phase") == "Running"), None)
        started = _events_of(journey, name).get("Started")
        if running is not None and (not started or min(started) > running.at.timestamp() * 1e9):
            yield f"I8: {name} was Running before it was Started"


def _deleted_by_the_node(journey: Journey) -> Iterator[str]:
    for name, changes in _by_pod(journey).items():
        if changes[-1].type != "DELETED" or not changes[-1].object["spec"].get("nodeName"):
            continue
        uid = changes[-1].object["metadata"]["uid"]
        final = [
            event
            for event in _audited(journey, "delete", "pods", "")
            if _reference(event)["name"] == name and event["user"].get("username", "").startswith("system:node:")
        ]
        good = any(
            (event.get("requestObject") or {}).get("gracePeriodSeconds") == 0
            and ((event.get("requestObject") or {}).get("preconditions") or {}).get("uid") == uid
            for event in final
        )
        if not good:
            yield f"I9: {name} was not removed by its node with grace 0 and its uid"


def _replaced_before_gone(journey: Journey) -> Iterator[str]:
    """A Pod deleted while it counted has a successor, made no later than it was gone."""
    names = _by_pod(journey)
    for name, changes in names.items():
        gone = next(
            (index for index, change in enumerate(journey.pods) if change.name == name and change.type == "DELETED"),
            None,
        )
        marked = next((change for change in changes if change.object["metadata"].get("deletionTimestamp")), None)
        if gone is None or marked is None:
            continue
        start = journey.pods.index(marked)
        successors = [change for change in journey.pods[start:gone] if change.type == "ADDED" and change.name != name]
        if not successors and _was_replaced(journey, gone):
            yield f"I10: {name} was replaced only after it was gone"


def _was_replaced(journey: Journey, gone: int) -> bool:
    return any(change.type == "ADDED" for change in journey.pods[gone:])


def _versions_rise(journey: Journey) -> Iterator[str]:
    versions = [change.version for change in journey.pods]
    if any(later <= earlier for earlier, later in itertools.pairwise(versions)):
        yield "I11: resourceVersions do not rise along the watch"


def writes(audit: Iterable[Object], resources: Iterable[str]) -> list[str]:
    """The writes of those resources on record (I12: none while nothing changes)."""
    verbs = {"create", "update", "patch", "delete", "deletecollection"}
    wanted = set(resources)
    return [
        f"{event['user'].get('username')} {event['verb']} {event['requestURI']}"
        for event in audit
        if event["verb"] in verbs and _reference(event).get("resource") in wanted
    ]


def _audited(journey: Journey, verb: str, resource: str, subresource: str) -> Iterator[Object]:
    for event in journey.audit:
        about = _reference(event)
        if (event["verb"], about.get("resource"), about.get("subresource", "")) == (verb, resource, subresource):
            if event["responseStatus"]["code"] < 300:
                yield event


def _reference(event: Object) -> Object:
    found: Object = event.get("objectRef") or {}
    if found.get("subresource") == "binding" and "name" not in found:
        return {**found, "name": event["requestURI"].split("/")[-2]}
    return found


def _received(event: Object) -> datetime.datetime:
    return timestamps.parse_micro(event["requestReceivedTimestamp"])


def _completed(event: Object) -> datetime.datetime:
    return timestamps.parse_micro(event["stageTimestamp"])
