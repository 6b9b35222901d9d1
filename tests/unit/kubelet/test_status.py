from typing import Any

import msgspec
import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import status


def made(**fields: Any) -> core.PodStatus:
    return msgspec.convert(fields, core.PodStatus)


READY = {"type": "Ready", "status": "True", "lastTransitionTime": "t"}
GATE = {"type": "example.com/gate", "status": "True"}


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"phase": "Running"}, {"phase": "Running"}, {}),
        ({"phase": "Pending"}, {"phase": "Running", "podIP": "1"}, {"phase": "Running", "podIP": "1"}),
        ({"reason": "x", "phase": "A"}, {"phase": "A"}, {"reason": None}),
        (
            {"conditions": [READY, GATE]},
            {"conditions": [{**READY, "status": "False", "reason": "r"}, GATE]},
            {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "t", "reason": "r"}]},
        ),
        (
            {"conditions": [{**READY, "reason": "r"}]},
            {"conditions": [READY]},
            {"conditions": [{"reason": None, **READY}]},
        ),
        (
            {"conditions": [READY, GATE]},
            {"conditions": [GATE]},
            {"conditions": [{"$patch": "delete", "type": "Ready"}]},
        ),
        (
            {"podIPs": [{"ip": "1"}]},
            {"podIPs": [{"ip": "2"}]},
            {"podIPs": [{"ip": "2"}, {"$patch": "delete", "ip": "1"}]},
        ),
    ],
)
def test_patches_carry_differences(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    assert status.status_patch(made(**old), made(**new)) == patch


def test_the_phase_waits_for_the_containers() -> None:
    pod = core.Pod(status=made(phase="Running"))
    new = made(phase="Succeeded", conditions=[READY])
    assert status.merge(pod, new, could_run=True).phase == "Running"
    ended = status.merge(pod, new, could_run=False)
    assert ended.phase == "Succeeded"
    assert [(one.status, one.reason) for one in ended.conditions] == [("False", "PodCompleted")]


def test_what_is_not_ours_stays() -> None:
    pod = core.Pod(status=made(phase="Running", conditions=[GATE, READY], nominatedNodeName="n"))
    merged = status.merge(pod, made(phase="Running", conditions=[{**READY, "status": "False"}]), could_run=True)
    assert [(one.type, one.status) for one in merged.conditions] == [("example.com/gate", "True"), ("Ready", "False")]
    assert merged.nominatedNodeName == "n"
