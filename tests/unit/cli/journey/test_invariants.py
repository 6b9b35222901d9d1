"""The invariants of a journey: a sound one passes, each way to spoil it is named."""

import copy
import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.apimachinery import timestamps
from pybernetes.cli.journey import invariants as journey

START = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
STEPS = {"SuccessfulCreate": 2, "Scheduled": 4, "Pulled": 6, "Created": 7, "Started": 8, "Killing": 20}


def at(second: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=second)


def audited(second: float, verb: str, user: str, subresource: str = "", body: Any = None) -> dict[str, Any]:
    times = {"requestReceivedTimestamp": second, "stageTimestamp": second + 0.1}
    return {
        "verb": verb,
        "user": {"username": user},
        "objectRef": {"resource": "pods", "name": "web-1", "subresource": subresource},
        "responseStatus": {"code": 200},
        "requestURI": "/api/v1/namespaces/default/pods/web-1",
        "requestObject": body,
        **{key: timestamps.format_micro_time(at(when)) for key, when in times.items()},
    }


def event(second: float, reason: str) -> dict[str, Any]:
    created = reason == "SuccessfulCreate"
    return {
        "reason": reason,
        "message": "Created pod: web-1" if created else "",
        "metadata": {"name": f"x.{int(at(second).timestamp() * 1e9):x}"},
        "involvedObject": {"name": "web" if created else "web-1"},
    }


def sound() -> journey.Journey:
    """One Pod, made, run, deleted."""

    def change(second: float, kind: str, phase: str, node: str, **more: str) -> journey.Change:
        metadata = {
            "name": "web-1",
            "uid": "u1",
            "resourceVersion": str(int(second * 10)),
            "ownerReferences": [{"controller": True}],
            **more,
        }
        pod = {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}
        return journey.Change(kind, pod, at(second))

    stamp, node = at(1).astimezone().strftime("I%m%d %H:%M:%S.%f"), "system:node:n1"
    return journey.Journey(
        pods=[
            change(1.5, "ADDED", "Pending", ""),
            change(3, "MODIFIED", "Pending", "n1"),
            change(9, "MODIFIED", "Running", "n1"),
            change(19, "MODIFIED", "Running", "n1", deletionTimestamp="now"),
            change(22, "DELETED", "Running", "n1", deletionTimestamp="now"),
        ],
        audit=[
            audited(1.4, "create", journey.CONTROLLER),
            audited(3, "create", "system:kube-scheduler", "binding"),
            audited(22, "delete", node, body={"gracePeriodSeconds": 0, "preconditions": {"uid": "u1"}}),
        ],
        events=[event(second, reason) for reason, second in STEPS.items()],
        log=[f'{stamp}    12 replicaset.py:1] Too few replicas owner="default/web" need="1" creating="1"'],
        cri=[
            f'time="{at(5):%Y-%m-%dT%H:%M:%S.000000}Z" RunPodSandbox for &PodSandboxMetadata{{Name:web-1,Attempt:0,}}"'
        ],
        wanted=1,
    )


def test_a_sound_journey() -> None:
    assert journey.check(sound()) == []


def _first(record: journey.Journey, **fields: Any) -> None:
    record.pods[0].object["spec"].update(fields)


def _reason(record: journey.Journey, reason: str) -> Any:
    return next(one for one in record.events if one["reason"] == reason)


SPOILT: dict[str, Callable[[Any], object]] = {
    "I1: the first version of web-1 has a node": lambda one: _first(one, nodeName="n2"),
    "I2: web-1 was bound 2 times": lambda one: one.audit.append(one.audit[1]),
    "I3: the runtime was asked": lambda one: one.cri.append(one.cri[0].replace("12:00:05", "12:00:02")),
    "I4: no create by the controller": lambda one: one.audit.pop(0),
    "I5: the controller announced nothing": lambda one: one.log.clear(),
    "I5/I6: after .* 2 creations of Pods instead of 1": lambda one: one.audit.insert(1, one.audit[0]),
    "I7: no Event Pulled for web-1": lambda one: one.events.remove(_reason(one, "Pulled")),
    "I7: Created of web-1 is later than Started": lambda one: one.events.append(event(8.5, "Created")),
    "I8: web-1 was Running before": lambda one: one.events.remove(_reason(one, "Started")),
    "I9: web-1 was not removed by its node": lambda one: one.audit.pop(),
    "I11: resourceVersions do not rise": lambda one: one.pods.append(one.pods[0]),
}


@pytest.mark.parametrize("finding", SPOILT)
def test_a_spoilt_journey(finding: str) -> None:
    record = copy.deepcopy(sound())
    SPOILT[finding](record)
    assert any(re.match(finding, said) for said in journey.check(record)), journey.check(record)
