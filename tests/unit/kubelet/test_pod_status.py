from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import pod_conditions, pod_status, runtime_status

MakePod = Callable[..., core.Pod]
MakeStatus = Callable[..., runtime_status.PodStatus]
AROUND = pod_status.Surroundings(host_ips=("192.0.2.1",))
NOW = "2026-01-01T00:00:00Z"
RUNNING, DONE = "running", "exited"
FAILED = {"exit_code": 1}
TWO = [{"name": "a", "image": "img"}, {"name": "b", "image": "img"}]
INIT = [{"name": "i1", "image": "img"}]
SIDE = [{"name": "side", "image": "img", "restartPolicy": "Always"}]


def generate(pod: core.Pod, status: runtime_status.PodStatus, **more: Any) -> core.PodStatus:
    around = more.pop("around", AROUND)
    return pod_status.generate(pod, status, more.pop("old", pod.status), around, **more)


def condition(status: core.PodStatus, kind: str) -> tuple[str, str]:
    found = pod_conditions.find(status.conditions, kind)
    assert found is not None
    return found.status, found.reason


@pytest.mark.parametrize(
    ("spec", "containers", "phase"),
    [
        ({}, [], "Pending"),
        ({}, [("c", RUNNING)], "Running"),
        ({"containers": TWO}, [("a", RUNNING)], "Pending"),
        ({"containers": TWO}, [("a", RUNNING), ("b", DONE)], "Running"),
        ({}, [("c", DONE)], "Running"),
        ({"restartPolicy": "OnFailure"}, [("c", DONE)], "Succeeded"),
        ({"restartPolicy": "OnFailure"}, [("c", DONE, FAILED)], "Running"),
        ({"restartPolicy": "Never"}, [("c", DONE)], "Succeeded"),
        ({"restartPolicy": "Never"}, [("c", DONE, FAILED)], "Failed"),
        ({"restartPolicy": "Never", "containers": TWO}, [("a", DONE, FAILED), ("b", RUNNING)], "Running"),
        ({"restartPolicy": "Never", "containers": TWO}, [("a", DONE, FAILED), ("b", DONE)], "Failed"),
        ({"initContainers": INIT}, [("i1", RUNNING)], "Pending"),
        ({"initContainers": INIT}, [("i1", DONE, FAILED)], "Pending"),
        ({"initContainers": INIT, "restartPolicy": "Never"}, [("i1", DONE, FAILED)], "Failed"),
        ({"initContainers": INIT}, [("i1", DONE), ("c", RUNNING)], "Running"),
        ({"initContainers": SIDE}, [("side", RUNNING)], "Pending"),
        ({"initContainers": SIDE}, [("side", RUNNING), ("c", RUNNING)], "Running"),
        ({"initContainers": SIDE, "restartPolicy": "Never"}, [("side", DONE), ("c", DONE)], "Succeeded"),
    ],
)
def test_phase(
    make_pod: MakePod, make_status: MakeStatus, spec: dict[str, Any], containers: list[tuple[Any, ...]], phase: str
) -> None:
    assert generate(make_pod(**spec), make_status(*containers)).phase == phase


def test_terminal_pods_do_not_wait_for_restarts(make_pod: MakePod, make_status: MakeStatus) -> None:
    assert generate(make_pod(), make_status(("c", DONE)), terminal=True).phase == "Succeeded"
    assert generate(make_pod(), make_status(("c", DONE, FAILED)), terminal=True).phase == "Failed"


def test_a_terminal_phase_stays(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(status={"phase": "Failed", "reason": "Evicted", "message": "m"})
    status = generate(pod, make_status(("c", RUNNING)))
    assert (status.phase, status.reason, status.message) == ("Failed", "Evicted", "m")


def test_what_failed_by_deadline_does_not_succeed_by_exit_code(make_pod: MakePod, make_status: MakeStatus) -> None:
    old = core.PodStatus(phase="Failed", reason="DeadlineExceeded")
    status = generate(make_pod(), make_status(("c", DONE)), old=old, terminal=True)
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")


def test_before_anything_runs(make_pod: MakePod, make_status: MakeStatus) -> None:
    status = generate(make_pod(), make_status(sandbox="none"))
    waiting = status.containerStatuses[0]
    assert waiting.state.waiting == core.ContainerStateWaiting(reason="ContainerCreating")
    assert (waiting.ready, waiting.started, waiting.image, waiting.imageID) == (False, False, "img", "")
    assert [one.type for one in status.conditions] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    assert condition(status, "PodReadyToStartContainers") == ("False", "PodSandboxNotReady")
    assert condition(status, "Initialized") == ("True", "")
    ready = pod_conditions.find(status.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "ContainersNotReady")
    assert ready.message == "containers with unready status: [c]"
    assert all(one.observedGeneration == 1 for one in status.conditions)
    assert (status.hostIP, status.podIP, status.qosClass) == ("192.0.2.1", "", "BestEffort")


def test_running(make_pod: MakePod, make_status: MakeStatus) -> None:
    status = generate(make_pod(), make_status(("c", RUNNING)))
    one = status.containerStatuses[0]
    assert one.state.running == core.ContainerStateRunning(startedAt="1970-01-01T00:00:01Z")
    assert (one.containerID, one.imageID, one.ready, one.started) == ("containerd://id-1", "sha256:img", True, True)
    assert (status.podIP, status.podIPs) == ("10.0.0.5", (core.PodIP(ip="10.0.0.5"),))
    assert condition(status, "Ready") == ("True", "")
    assert condition(status, "ContainersReady") == ("True", "")


def test_init_containers_hold_up_the_rest(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(initContainers=INIT)
    status = generate(pod, make_status(("i1", RUNNING)))
    assert status.containerStatuses[0].state.waiting == core.ContainerStateWaiting(reason="PodInitializing")
    initialized = pod_conditions.find(status.conditions, "Initialized")
    assert initialized is not None
    assert (initialized.status, initialized.reason, initialized.message) == (
        "False",
        "ContainersNotInitialized",
        "containers with incomplete status: [i1]",
    )
    done = generate(pod, make_status(("i1", DONE)))
    assert condition(done, "Initialized") == ("True", "")
    assert done.initContainerStatuses[0].ready


def test_crash_loop(make_pod: MakePod, make_status: MakeStatus) -> None:
    around = pod_status.Surroundings(reasons={"c": ("CrashLoopBackOff", "back-off 10s")})
    status = generate(make_pod(), make_status(("c", DONE, {"exit_code": 2, "attempt": 3})), around=around)
    one = status.containerStatuses[0]
    assert one.state.waiting == core.ContainerStateWaiting(reason="CrashLoopBackOff", message="back-off 10s")
    assert one.lastState.terminated is not None
    assert (one.lastState.terminated.exitCode, one.restartCount) == (2, 3)


def test_the_last_end_is_kept(make_pod: MakePod, make_status: MakeStatus) -> None:
    status = generate(make_pod(), make_status(("c", DONE, FAILED), ("c", RUNNING, {"attempt": 1})))
    one = status.containerStatuses[0]
    assert one.state.running is not None
    assert one.lastState.terminated is not None
    assert (one.lastState.terminated.exitCode, one.restartCount) == (1, 1)


def test_image_pull_failure_shows(make_pod: MakePod, make_status: MakeStatus) -> None:
    around = pod_status.Surroundings(reasons={"c": ("ErrImagePull", "no such image")})
    status = generate(make_pod(), make_status(), around=around)
    assert status.phase == "Pending"
    assert status.containerStatuses[0].state.waiting == core.ContainerStateWaiting(
        reason="ErrImagePull", message="no such image"
    )


def test_a_container_that_vanished_has_ended(make_pod: MakePod, make_status: MakeStatus) -> None:
    before = core.ContainerStatus(
        name="c", containerID="containerd://x", state=core.ContainerState(running=core.ContainerStateRunning())
    )
    old = core.PodStatus(phase="Running", containerStatuses=(before,))
    one = generate(make_pod(), make_status(), old=old).containerStatuses[0]
    assert one.lastState.terminated is not None
    assert (one.lastState.terminated.reason, one.lastState.terminated.exitCode) == ("ContainerStatusUnknown", 137)
    assert one.restartCount == 1


@pytest.mark.parametrize(
    ("readiness", "startup", "workers", "expected"),
    [
        ({}, {}, frozenset(), (True, True)),
        ({}, {}, frozenset({("c", "readiness")}), (True, False)),
        ({"id-1": True}, {}, frozenset({("c", "readiness")}), (True, True)),
        ({"id-1": False}, {}, frozenset({("c", "readiness")}), (True, False)),
        ({}, {}, frozenset({("c", "startup")}), (False, False)),
        ({}, {"id-1": True}, frozenset({("c", "startup")}), (True, True)),
        ({"id-1": True}, {"id-1": False}, frozenset(), (False, False)),
    ],
)
def test_probes_decide_on_ready(
    make_pod: MakePod,
    make_status: MakeStatus,
    readiness: dict[str, bool],
    startup: dict[str, bool],
    workers: frozenset[tuple[str, str]],
    expected: tuple[bool, bool],
) -> None:
    around = pod_status.Surroundings(probes=pod_status.ProbeView(readiness, startup, workers))
    one = generate(make_pod(), make_status(("c", RUNNING)), around=around).containerStatuses[0]
    assert (one.started, one.ready) == expected


def test_readiness_gates(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(readinessGates=[{"conditionType": "example.com/ok"}])
    ready = pod_conditions.find(generate(pod, make_status(("c", RUNNING))).conditions, "Ready")
    assert ready is not None
    assert ready.message == 'corresponding condition of pod readiness gate "example.com/ok" does not exist.'
    given = make_pod(
        readinessGates=[{"conditionType": "example.com/ok"}],
        status={"conditions": [{"type": "example.com/ok", "status": "True"}]},
    )
    status = generate(given, make_status(("c", RUNNING)))
    assert condition(status, "Ready") == ("True", "")
    assert status.conditions[0].type == "example.com/ok"


def test_settle_keeps_transition_times(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod()
    first = pod_status.settle(pod, generate(pod, make_status()), core.PodStatus(), NOW)
    assert first.startTime == NOW
    assert {one.lastTransitionTime for one in first.conditions} == {NOW}
    later = "2026-01-01T00:00:09Z"
    second = pod_status.settle(pod, generate(pod, make_status(("c", RUNNING)), old=first), first, later)
    times = {one.type: one.lastTransitionTime for one in second.conditions}
    assert times["PodScheduled"] == NOW
    assert times["Ready"] == later
    assert second.startTime == NOW


def test_long_messages_are_cut(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(restartPolicy="Never")
    status = generate(pod, make_status(("c", DONE, {"message": "x" * 20000})))
    settled = pod_status.settle(pod, status, core.PodStatus(), NOW)
    ended = settled.containerStatuses[0].state.terminated
    assert ended is not None
    assert len(ended.message) == 12 * 1024


def test_termination_marks_what_was_lost(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(containers=TWO)
    status = generate(pod, make_status(("a", DONE)))
    ended = pod_status.terminated(pod, status)
    assert ended.phase == "Failed"
    first, second = ended.containerStatuses
    assert first.state.terminated is not None
    assert first.state.terminated.exitCode == 0
    assert second.state.terminated is not None
    assert (second.state.terminated.reason, second.state.terminated.exitCode) == ("ContainerStatusUnknown", 137)


def test_statuses_encode_as_upstream_writes_them(make_pod: MakePod, make_status: MakeStatus) -> None:
    encoded = msgspec.to_builtins(generate(make_pod(), make_status(("c", RUNNING))))["containerStatuses"][0]
    assert encoded["lastState"] == {}
    assert encoded["resources"] == {}
    assert encoded["restartCount"] == 0


def test_an_end_once_told_is_not_told_otherwise(make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = make_pod(restartPolicy="Never")
    old = generate(pod, make_status(("c", DONE, {"message": "last words"})))
    again = generate(pod, make_status(("c", DONE)), old=old)
    assert again.containerStatuses[0].state == old.containerStatuses[0].state
