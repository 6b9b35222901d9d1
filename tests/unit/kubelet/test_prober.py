import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.kubelet import prober, probes, recording, runtime_status

MakePod = Callable[..., core.Pod]
MakeStatus = Callable[..., runtime_status.PodStatus]
Kind = prober.Kind


class Asker:
    """Answers as told; notes when it was asked."""

    def __init__(self, clock: clocks.Clock) -> None:
        self.clock = clock
        self.good = True
        self.asked: list[tuple[float, str]] = []

    async def run(self, probe: core.Probe, target: probes.Target) -> probes.Answer:
        self.asked.append((self.clock.monotonic(), target.container_id))
        return probes.Answer(probes.Outcome.SUCCESS if self.good else probes.Outcome.FAILURE, "text")


class Recorder:
    """Keeps events."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def event(self, obj: core.ObjectReference, type: str, reason: str, message: str) -> None:
        self.messages.append(f"{reason}: {message}")


@dataclasses.dataclass
class World:
    """A prober and what it tells."""

    clock: clocks.VirtualClock
    asker: Asker
    recorder: Recorder
    prober: prober.Prober
    told: list[str]

    def result(self, kind: Kind, identity: str = "id-1") -> bool | None:
        return self.prober.results[kind].get(identity)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = clocks.VirtualClock()
    asker, recorder, told = Asker(clock), Recorder(), []
    async with tasks.TaskGroup("test") as group:
        made = prober.Prober(asker, clock, recording.Events(recorder, "n1"), group, told.append)  # type: ignore[arg-type]
        yield World(clock, asker, recorder, made, told)


def probed(make_pod: MakePod, **probes_of: dict[str, Any]) -> core.Pod:
    whole = {f"{name}Probe": {"tcpSocket": {"port": 1}, **probe} for name, probe in probes_of.items()}
    return make_pod(containers=[{"name": "c", "image": "img", **whole}])


def started(status: runtime_status.PodStatus, clock: clocks.Clock) -> runtime_status.PodStatus:
    """The same, its containers started just now."""
    now = int(clock.now().timestamp() * 1e9)
    fresh = tuple(dataclasses.replace(one, started_at=now) for one in status.containers)
    return dataclasses.replace(status, containers=fresh, active=fresh)


async def test_readiness_is_asked_soon_and_then_each_period(
    world: World, make_pod: MakePod, make_status: MakeStatus
) -> None:
    pod = probed(make_pod, readiness={"periodSeconds": 5})
    world.prober.add_pod(pod)
    await world.clock.advance(2)
    assert world.asker.asked == []
    world.prober.update(pod, started(make_status(("c", "running")), world.clock))
    await world.clock.advance(11)
    assert world.asker.asked == [(2.5, "id-1"), (7.5, "id-1"), (12.5, "id-1")]
    assert world.result(Kind.READINESS) is True
    assert world.prober.view("u-1").workers == {("c", "readiness")}


async def test_thresholds(world: World, make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = probed(make_pod, readiness={"periodSeconds": 1, "failureThreshold": 3, "successThreshold": 2})
    world.prober.add_pod(pod)
    world.prober.update(pod, started(make_status(("c", "running")), world.clock))
    await world.clock.advance(0.5)
    assert world.result(Kind.READINESS) is False
    await world.clock.advance(1)
    assert world.result(Kind.READINESS) is True
    world.asker.good = False
    await world.clock.advance(2)
    assert world.result(Kind.READINESS) is True
    await world.clock.advance(1)
    assert world.result(Kind.READINESS) is False
    assert world.recorder.messages == ["Unhealthy: Readiness probe failed: text"] * 3


async def test_liveness_waits_and_stops_asking_after_it_failed(
    world: World, make_pod: MakePod, make_status: MakeStatus
) -> None:
    pod = probed(make_pod, liveness={"periodSeconds": 1, "failureThreshold": 2, "initialDelaySeconds": 3})
    world.asker.good = False
    world.prober.add_pod(pod)
    world.prober.update(pod, started(make_status(("c", "running")), world.clock))
    await world.clock.advance(2)
    assert world.result(Kind.LIVENESS) is True
    await world.clock.advance(8)
    assert [when for when, _ in world.asker.asked] == [3, 4]
    assert world.result(Kind.LIVENESS) is False

    world.asker.good = True
    again = started(make_status(("c", "exited"), ("c", "running")), world.clock)
    world.prober.update(pod, again)
    await world.clock.advance(0)
    assert world.result(Kind.LIVENESS, "id-2") is True
    assert world.result(Kind.LIVENESS) is None
    await world.clock.advance(5)
    assert [when for when, identity in world.asker.asked if identity == "id-2"] == [13, 14, 15]


async def test_startup_comes_before_the_others(world: World, make_pod: MakePod, make_status: MakeStatus) -> None:
    pod = probed(make_pod, startup={"periodSeconds": 2}, readiness={"periodSeconds": 100})
    world.asker.good = False
    world.prober.add_pod(pod)
    world.prober.update(pod, started(make_status(("c", "running")), world.clock))
    await world.clock.advance(3)
    assert [when for when, _ in world.asker.asked] == [2]
    assert not world.prober.started("u-1", "c", "id-1")
    world.asker.good = True
    await world.clock.advance(1)
    assert [when for when, _ in world.asker.asked] == [2, 4, 4]
    assert world.result(Kind.READINESS) is True
    await world.clock.advance(10)
    assert len(world.asker.asked) == 3


async def test_a_pod_that_goes_down_is_only_asked_for_readiness(
    world: World, make_pod: MakePod, make_status: MakeStatus
) -> None:
    pod = probed(make_pod, liveness={"periodSeconds": 1}, readiness={"periodSeconds": 1})
    world.prober.add_pod(pod)
    world.prober.update(pod, started(make_status(("c", "running")), world.clock))
    await world.clock.advance(1.5)
    world.prober.stop_liveness_and_startup("u-1")
    before = len(world.asker.asked)
    await world.clock.advance(2)
    assert len(world.asker.asked) == before + 2
    world.prober.remove_pod("u-1")
    await world.clock.advance(5)
    assert len(world.asker.asked) == before + 2
    assert world.prober.view("u-1").workers == frozenset()


@pytest.mark.parametrize(
    ("action", "url"),
    [
        ({"port": 80}, "http://10.0.0.5:80/"),
        ({"port": "web", "path": "x?a=b c"}, "http://10.0.0.5:8080/x?a=b c"),
        ({"port": 443, "scheme": "HTTPS", "host": "example.com", "path": "/a b"}, "https://example.com:443/a%20b"),
    ],
)
def test_urls(make_pod: MakePod, action: dict[str, Any], url: str) -> None:
    container = make_pod(containers=[{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}]).spec.containers[
        0
    ]
    made = probes.http_request(core.HTTPGetAction(**action), container, "10.0.0.5")
    assert made.url == url
    assert ("User-Agent", "kube-probe/1.37") in made.headers


def test_ports_must_exist(make_pod: MakePod) -> None:
    with pytest.raises(probes.ProbeError, match='couldn\'t find port: "web" in container: c'):
        probes.port_number("web", make_pod().spec.containers[0])
