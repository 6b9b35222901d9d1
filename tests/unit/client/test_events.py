"""Events are counted, combined and dropped as upstream does it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import events, rest

POD = core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="u1", resourceVersion="7"))
EVENTS = "/api/v1/namespaces/default/events"


@pytest.fixture
async def recorder(client: rest.Client, virtual: clock.VirtualClock) -> AsyncIterator[events.EventRecorder]:
    async with tasks.TaskGroup("test") as group:
        yield events.EventRecorder(client, "kubelet", virtual, group, host="n1")


async def test_an_event_has_upstreams_fields(server: Any, recorder: events.EventRecorder) -> None:
    recorder.event(POD, "Normal", "Pulled", "Container image already present")
    await recorder.flush()
    assert server.requests == [("POST", EVENTS)]
    assert server.bodies == [
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "web.18867251edfa0000", "namespace": "default"},
            "involvedObject": {
                "kind": "Pod",
                "namespace": "default",
                "name": "web",
                "uid": "u1",
                "apiVersion": "v1",
                "resourceVersion": "7",
            },
            "reason": "Pulled",
            "message": "Container image already present",
            "source": {"component": "kubelet", "host": "n1"},
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "count": 1,
            "type": "Normal",
            "reportingComponent": "kubelet",
            "reportingInstance": "n1",
        }
    ]


async def test_the_same_again_is_counted(server: Any, recorder: events.EventRecorder, virtual: Any) -> None:
    for _ in range(3):
        recorder.event(POD, "Warning", "BackOff", "Back-off restarting failed container")
        await recorder.flush()
        await virtual.advance(10.0)
    assert [method for method, _ in server.requests] == ["POST", "PATCH", "PATCH"]
    assert server.bodies[-1] == {
        "count": 3,
        "lastTimestamp": "2026-01-01T00:00:20Z",
        "message": "Back-off restarting failed container",
    }
    assert server.headers[-1].get("Content-Type") == "application/strategic-merge-patch+json"


async def test_an_expired_event_is_made_again(server: Any, recorder: events.EventRecorder) -> None:
    recorder.event(POD, "Normal", "Pulled", "x")
    await recorder.flush()
    server.objects.clear()
    recorder.event(POD, "Normal", "Pulled", "x")
    await recorder.flush()
    assert [method for method, _ in server.requests] == ["POST", "PATCH", "POST"]
    assert server.bodies[-1]["count"] == 2
    assert "resourceVersion" not in server.bodies[-1]["metadata"]


async def test_the_tenth_different_message_is_combined(server: Any, recorder: events.EventRecorder) -> None:
    for number in range(12):
        recorder.event(POD, "Warning", "Unhealthy", f"probe failed: {number}")
    await recorder.flush()
    stored = list(server.objects.values())
    assert [obj["message"] for obj in stored[-2:]] == [
        "probe failed: 8",
        "(combined from similar events): probe failed: 11",
    ]
    assert [obj["count"] for obj in stored[-2:]] == [1, 3]


async def test_25_a_burst_then_one_in_five_minutes(
    server: Any, recorder: events.EventRecorder, virtual: clock.VirtualClock
) -> None:
    for number in range(40):
        recorder.event(POD, "Normal", f"Reason{number}", "x")
    await recorder.flush()
    assert len(server.requests) == 25
    await virtual.advance(301.0)
    recorder.event(POD, "Normal", "Late", "x")
    recorder.event(POD, "Normal", "TooMuch", "x")
    await recorder.flush()
    assert len(server.requests) == 26
    assert server.bodies[-1]["reason"] == "Late"


async def test_a_refused_event_is_dropped(server: Any, recorder: events.EventRecorder) -> None:
    server.faults = [errors.Forbidden("events", "", "no")]
    recorder.event(POD, "Normal", "Pulled", "x")
    recorder.event(POD, "Normal", "Started", "x")
    await recorder.flush()
    assert [obj["reason"] for obj in server.objects.values()] == ["Started"]


async def test_new_style_events_become_series(
    server: Any, recorder: events.EventRecorder, virtual: clock.VirtualClock
) -> None:
    for _ in range(4):
        recorder.event(POD, "Warning", "FailedScheduling", "0/1 nodes", action="Scheduling")
        await recorder.flush()
        await virtual.advance(1.0)
    assert [method for method, _ in server.requests] == ["POST", "PATCH"]
    made = server.bodies[0]
    assert made["apiVersion"] == "events.k8s.io/v1"
    assert (made["action"], made["note"]) == ("Scheduling", "0/1 nodes")
    assert (made["reportingController"], made["reportingInstance"]) == ("kubelet", "kubelet-n1")
    assert made["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert server.bodies[1] == {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
    await virtual.advance(800.0)
    assert server.bodies[2] == {"series": {"count": 4, "lastObservedTime": "2026-01-01T00:00:03.000000Z"}}
    recorder.event(POD, "Warning", "FailedScheduling", "0/1 nodes", action="Scheduling")
    await recorder.flush()
    assert [method for method, _ in server.requests] == ["POST", "PATCH", "PATCH", "POST"]


def test_references() -> None:
    cluster_scoped = core.Node(metadata=meta.ObjectMeta(name="n1", uid="u"))
    assert events.reference(cluster_scoped) == {"kind": "Node", "apiVersion": "v1", "name": "n1", "uid": "u"}
    container = core.ObjectReference(kind="Pod", name="web", namespace="x", fieldPath="spec.containers{c}")
    assert events.reference(container)["fieldPath"] == "spec.containers{c}"
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "x"}}
    assert events.reference(plain) == {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "x"}
