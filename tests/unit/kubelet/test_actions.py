import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import actions, runtime_status
from pybernetes.kubelet.cri import runtime

MakePod = Callable[..., core.Pod]
MakeStatus = Callable[..., runtime_status.PodStatus]
NO_PROBES = actions.Observations()
TWO = [{"name": "a", "image": "img"}, {"name": "b", "image": "img"}]
DEBUG = [{"name": "debug", "image": "img"}]
INIT = [{"name": "i1", "image": "img"}, {"name": "i2", "image": "img"}]


def summary(found: actions.PodActions) -> dict[str, Any]:
    """What differs from doing nothing."""
    shown = {
        "kill_pod": found.kill_pod,
        "create": found.create_sandbox,
        "init": found.init_containers,
        "start": found.containers,
        "ephemeral": found.ephemeral_containers,
        "kill": {one.container.name: one.message for one in found.kill.values()},
    }
    return {name: value for name, value in shown.items() if value}


def test_a_new_pod_needs_everything(make_pod: MakePod, make_status: MakeStatus) -> None:
    found = actions.compute_pod_actions(make_pod(containers=TWO), make_status(sandbox="none"), NO_PROBES)
    assert summary(found) == {"kill_pod": True, "create": True, "start": [0, 1]}
    assert (found.attempt, found.sandbox_id) == (0, "")


def test_a_new_pod_with_init_containers_starts_the_first(make_pod: MakePod, make_status: MakeStatus) -> None:
    found = actions.compute_pod_actions(make_pod(initContainers=INIT), make_status(sandbox="none"), NO_PROBES)
    assert summary(found) == {"kill_pod": True, "create": True, "init": [0]}


RUNNING, DONE = "running", "exited"
FAILED = {"exit_code": 1}


@pytest.mark.parametrize(
    ("spec", "containers", "expected"),
    [
        pytest.param({}, [("c", RUNNING)], {}, id="all well"),
        pytest.param({}, [("c", DONE)], {"start": [0]}, id="always: restart after success"),
        pytest.param({"restartPolicy": "OnFailure"}, [("c", DONE)], {"kill_pod": True}, id="on failure: success ends"),
        pytest.param({"restartPolicy": "OnFailure"}, [("c", DONE, FAILED)], {"start": [0]}, id="on failure: again"),
        pytest.param({"restartPolicy": "Never"}, [("c", DONE, FAILED)], {"kill_pod": True}, id="never: the end"),
        pytest.param({"containers": TWO}, [("a", RUNNING)], {"start": [1]}, id="the missing one"),
        pytest.param(
            {"containers": TWO, "restartPolicy": "Never"}, [("a", DONE), ("b", RUNNING)], {}, id="never: one still runs"
        ),
        pytest.param({}, [("c", "created")], {"start": [0]}, id="created but never started"),
        pytest.param(
            {},
            [("c", "unknown")],
            {"start": [0], "kill": {"c": 'Container is in "unknown" state, try killing it before restart'}},
            id="unknown: kill first",
        ),
        pytest.param(
            {},
            [("c", RUNNING, {"image": "old"})],
            {"start": [0], "kill": {"c": "Container c definition changed, will be restarted"}},
            id="image changed",
        ),
        pytest.param({"initContainers": INIT}, [("i1", RUNNING)], {}, id="init running"),
        pytest.param({"initContainers": INIT}, [("i1", DONE)], {"init": [1]}, id="init: next one"),
        pytest.param({"initContainers": INIT}, [("i1", DONE, FAILED)], {"init": [0]}, id="init failed: again"),
        pytest.param(
            {"initContainers": INIT, "restartPolicy": "Never"},
            [("i1", DONE, FAILED)],
            {"kill_pod": True},
            id="init failed, never: the end",
        ),
        pytest.param({"initContainers": INIT}, [("i1", DONE), ("i2", DONE)], {"start": [0]}, id="init done"),
        pytest.param({"initContainers": INIT}, [("i2", DONE)], {"start": [0]}, id="earlier init was removed"),
        pytest.param({"initContainers": INIT}, [("c", RUNNING)], {}, id="regular runs: init long done"),
        pytest.param({"initContainers": INIT}, [("i2", DONE, FAILED)], {"init": [1]}, id="second init failed"),
        pytest.param(
            {"ephemeralContainers": DEBUG},
            [("c", RUNNING)],
            {"ephemeral": [0]},
            id="debug",
        ),
        pytest.param(
            {"ephemeralContainers": DEBUG},
            [("c", RUNNING), ("debug", DONE)],
            {},
            id="debug is never restarted",
        ),
    ],
)
def test_with_a_ready_sandbox(
    make_pod: MakePod,
    make_status: MakeStatus,
    spec: dict[str, Any],
    containers: list[tuple[Any, ...]],
    expected: dict[str, Any],
) -> None:
    found = actions.compute_pod_actions(make_pod(**spec), make_status(*containers), NO_PROBES)
    assert summary(found) == expected


SIDECARS = [
    {"name": "i1", "image": "img"},
    {"name": "side", "image": "img", "restartPolicy": "Always"},
    {"name": "i2", "image": "img"},
]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([("i1", DONE)], {"init": [1]}),
        ([("i1", DONE), ("side", RUNNING)], {"init": [2]}),
        ([("i1", DONE), ("side", DONE)], {"init": [1]}),
        ([("i1", DONE), ("side", RUNNING), ("i2", RUNNING)], {}),
        ([("side", DONE), ("i2", RUNNING)], {"init": [1]}),
        ([("side", RUNNING), ("i2", DONE)], {"start": [0]}),
        ([("side", DONE), ("i2", DONE), ("c", RUNNING)], {"init": [1]}),
        ([("i2", DONE), ("c", RUNNING)], {"init": [1]}),
    ],
)
def test_sidecars(
    make_pod: MakePod, make_status: MakeStatus, containers: list[tuple[Any, ...]], expected: dict[str, Any]
) -> None:
    found = actions.compute_pod_actions(make_pod(initContainers=SIDECARS), make_status(*containers), NO_PROBES)
    assert summary(found) == expected


def test_a_finished_pod_does_not_restart_its_sidecars(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(initContainers=SIDECARS, restartPolicy="Never")
    found = actions.compute_pod_actions(pod, make_status(("side", DONE), ("i2", DONE), ("c", DONE)), NO_PROBES)
    assert summary(found) == {"kill_pod": True}


def test_a_sidecar_with_a_startup_probe_holds_up_the_next(make_pod: MakePod, make_status: MakeStatus) -> None:
    sidecar = {**SIDECARS[1], "startupProbe": {"exec": {"command": ["true"]}}}
    pod = make_pod(initContainers=[sidecar, SIDECARS[2]])
    status = make_status(("side", RUNNING))
    assert summary(actions.compute_pod_actions(pod, status, NO_PROBES)) == {}
    good = actions.Observations(startup={"id-1": True})
    assert summary(actions.compute_pod_actions(pod, status, good)) == {"init": [1]}
    bad = actions.Observations(startup={"id-1": False})
    assert summary(actions.compute_pod_actions(pod, status, bad)) == {
        "init": [0],
        "kill": {"side": "Init container side failed startup probe"},
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("Always", {"start": [0], "kill": {"c": "Container c failed liveness probe, will be restarted"}}),
        ("Never", {"kill_pod": True, "kill": {"c": "Container c failed liveness probe"}}),
    ],
)
def test_liveness(make_pod: MakePod, make_status: MakeStatus, policy: str, expected: dict[str, Any]) -> None:
    probes = actions.Observations(liveness={"id-1": False})
    found = actions.compute_pod_actions(make_pod(restartPolicy=policy), make_status(("c", RUNNING)), probes)
    assert summary(found) == expected
    assert next(iter(found.kill.values())).reason == actions.REASON_LIVENESS


@pytest.mark.parametrize(
    ("status", "spec", "verdict"),
    [
        ({"sandbox": "none"}, {}, (True, 0, "", "no pod sandbox exists")),
        ({"sandbox": "dead", "attempt": 2}, {}, (True, 3, "s-1", "pod sandbox is not ready")),
        ({"ips": ()}, {}, (True, 1, "s-1", "pod sandbox has no IP address")),
        (
            {},
            {"hostNetwork": True},
            (True, 1, "", "network namespace mode changed and sandbox needs to be recreated"),
        ),
        ({}, {}, (False, 0, "s-1", "")),
    ],
)
def test_sandbox_verdict(
    make_pod: MakePod,
    make_status: MakeStatus,
    status: dict[str, Any],
    spec: dict[str, Any],
    verdict: tuple[bool, int, str, str],
) -> None:
    found = actions.pod_sandbox_changed(make_pod(**spec), make_status(**status))
    assert (found.changed, found.attempt, found.sandbox_id, found.reason) == verdict


def test_two_ready_sandboxes_are_one_too_many(make_pod: MakePod, make_status: MakeStatus) -> None:
    status = make_status()
    twice = dataclasses.replace(
        status, sandboxes=(*status.sandboxes, dataclasses.replace(status.sandboxes[0], id="s-0"))
    )
    assert actions.pod_sandbox_changed(make_pod(), twice).reason.startswith("multiple pod sandboxes")


@pytest.mark.parametrize(
    ("policy", "containers", "create"),
    [
        ("Always", [("c", DONE)], True),
        ("OnFailure", [("c", DONE)], False),
        ("OnFailure", [("c", DONE, FAILED)], True),
        ("Never", [("c", DONE, FAILED)], False),
        ("Never", [], True),
    ],
)
def test_a_dead_sandbox_is_made_anew_only_if_something_shall_run(
    make_pod: MakePod, make_status: MakeStatus, policy: str, containers: list[tuple[Any, ...]], create: bool
) -> None:
    status = make_status(*containers, sandbox="dead")
    found = actions.compute_pod_actions(make_pod(restartPolicy=policy), status, NO_PROBES)
    assert found.kill_pod
    assert found.create_sandbox is create
    assert found.containers == ([0] if create else [])


def test_a_deleted_pod_starts_nothing(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert actions.compute_pod_actions(pod, make_status(("c", DONE)), NO_PROBES).containers == []


def test_restart_rules_come_before_policies(make_pod: MakePod, make_status: MakeStatus) -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    container = {"name": "c", "image": "img", "restartPolicy": "Never", "restartPolicyRules": rules}
    pod = make_pod(containers=[container])
    again = actions.compute_pod_actions(pod, make_status(("c", DONE, {"exit_code": 42})), NO_PROBES)
    assert again.containers == [0]
    ended = actions.compute_pod_actions(pod, make_status(("c", DONE, FAILED)), NO_PROBES)
    assert ended.containers == []


def test_hash_knows_name_and_image_only() -> None:
    one = core.Container(name="c", image="img")
    assert actions.container_hash(one) == actions.container_hash(core.Container(name="c", image="img", tty=True))
    assert actions.container_hash(one) != actions.container_hash(core.Container(name="c", image="img2"))
    assert not actions.definition_changed(one, runtime.ContainerStatus("i", "c", 0, runtime.ContainerState.RUNNING))


SMALL = core.ResourceRequirements(requests={"cpu": "1"}, limits={"cpu": "1", "memory": "1Gi"})


@pytest.mark.parametrize(
    ("wanted", "policy", "updated", "killed"),
    [
        ({"requests": {"cpu": "1000m"}, "limits": {"cpu": "1", "memory": "1024Mi"}}, "NotRequired", False, False),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}, "NotRequired", True, False),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}, "RestartContainer", False, True),
    ],
)
def test_resizing(
    make_pod: MakePod, make_status: MakeStatus, wanted: dict[str, Any], policy: str, updated: bool, killed: bool
) -> None:
    policies = [{"resourceName": "cpu", "restartPolicy": policy}]
    pod = make_pod(containers=[{"name": "c", "image": "img", "resources": wanted, "resizePolicy": policies}])
    observed = actions.Observations(actuated={"id-1": SMALL})
    found = actions.compute_pod_actions(pod, make_status(("c", RUNNING)), observed)
    assert (list(found.update) == ["id-1"], bool(found.kill)) == (updated, killed)
    if killed:
        assert summary(found)["kill"] == {"c": "Container c resize requires restart, will be restarted"}
