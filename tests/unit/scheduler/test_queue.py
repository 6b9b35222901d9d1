"""The queue: order, backoff, hints, events that come while a Pod is in flight, gates, the five-minute flush."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.api.types import core
from pybernetes.scheduler import check, cluster_events
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.nominator import Nominator
from pybernetes.scheduler.plugins import priority_sort, scheduling_gates
from pybernetes.scheduler.queue import PriorityQueue, QueuedPodInfo
from pybernetes.scheduler.runtime import Framework, Weighted

NODE_LABEL = ClusterEvent(cluster_events.NODE, cluster_events.UPDATE_NODE_LABEL)


class Picky:
    """Wants to hear of new nodes, and says which are worth a try: those called after the Pod's wish."""

    name = "Picky"

    def events_to_register(self) -> list[EventWithHint]:
        return [EventWithHint(cluster_events.NODE_ADD, self._hint)]

    @staticmethod
    def _hint(pod: PodInfo, old: Any, new: Any) -> bool:
        return bool(new.metadata.name == pod.pod.metadata.labels.get("wish"))


class Waiting:
    """Has the last word on anything about nodes."""

    name = "Waiting"

    def events_to_register(self) -> list[EventWithHint]:
        return [EventWithHint(ClusterEvent(cluster_events.NODE, cluster_events.ALL))]


class Bench:
    """A queue and the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        plugins = (priority_sort.PrioritySort(), scheduling_gates.SchedulingGates(), Picky(), Waiting())
        profile = Framework("default-scheduler", [Weighted(one) for one in plugins], Nominator())
        self.queue = PriorityQueue({"default-scheduler": profile}, lambda: self.now)
        self.ready = 0
        self.queue.on_ready = self._count

    def _count(self) -> None:
        self.ready += 1

    def add(self, *pods: core.Pod) -> None:
        for pod in pods:
            self.queue.add(pod)

    def pop(self) -> QueuedPodInfo:
        found = self.queue.pop()
        assert found is not None
        return found

    def fail(self, name: str = "p", *plugins: str, pending: tuple[str, ...] = ()) -> QueuedPodInfo:
        """Pop, which must give that Pod, and say who refused it."""
        queued = self.pop()
        assert queued.pod.metadata.name == name
        queued.unschedulable_plugins, queued.pending_plugins = {*plugins}, {*pending}
        self.queue.add_unschedulable(queued)
        return queued

    def where(self, name: str = "p") -> str:
        key = f"default/{name}"
        places = {
            "active": key in self.queue.active,
            "backoff": key in self.queue.backoff,
            "error": key in self.queue.error_backoff,
            "unschedulable": key in self.queue.unschedulable,
        }
        return "".join(place for place, there in places.items() if there)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """An empty queue, which must be in order at the end."""
    one = Bench()
    yield one
    assert check.check_queue(one.queue) == []


def test_order_is_priority_then_age(bench: Bench) -> None:
    for name, priority in (("old", 0), ("vip", 10), ("young", 0)):
        bench.add(objects.pod(name, priority=priority))
        bench.now += 1
    assert [bench.pop().pod.metadata.name for _ in range(3)] == ["vip", "old", "young"]
    assert bench.queue.pop() is None
    assert bench.ready == 3


def test_a_refused_pod_waits_for_an_event_that_may_help(bench: Bench) -> None:
    bench.add(objects.pod(labels={"wish": "good"}))
    bench.fail("p", "Picky")
    assert bench.where() == "unschedulable"
    bench.queue.move_all(NODE_LABEL, objects.node("good"), objects.node("good"))  # Picky does not care
    bench.queue.move_all(cluster_events.NODE_ADD, None, objects.node("bad"))
    assert bench.where() == "unschedulable"
    bench.queue.move_all(cluster_events.NODE_ADD, None, objects.node("good"))
    assert bench.where() == "backoff"
    bench.now += 2.0
    bench.queue.flush()
    assert bench.where() == "active"


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (9, 10), (200, 10)])
def test_backoff_doubles(bench: Bench, failures: int, seconds: int) -> None:
    bench.add(objects.pod())
    queued = bench.pop()
    queued.unschedulable_count = failures - 1
    queued.unschedulable_plugins = {"Waiting"}
    bench.queue.add_unschedulable(queued)
    bench.queue.move_all(NODE_LABEL, objects.node(), objects.node())
    assert bench.where() == "backoff"
    assert bench.queue.next_deadline() == 1000.0 + seconds + 1  # the first whole second after it
    bench.now += seconds
    bench.queue.flush()
    assert bench.where() == "backoff"
    bench.now += 1
    bench.queue.flush()
    assert bench.where() == "active"


def test_an_event_after_the_backoff_is_over_goes_straight_to_active(bench: Bench) -> None:
    bench.add(objects.pod())
    bench.fail("p", "Waiting")
    bench.now += 5.0
    bench.queue.move_all(NODE_LABEL, objects.node(), objects.node())
    assert bench.where() == "active"


def test_with_nothing_active_backoff_is_cut_short_except_after_errors(bench: Bench) -> None:
    bench.add(objects.pod("refused"), objects.pod("broken", priority=-1))
    bench.fail("refused", "Waiting")
    bench.fail("broken")
    bench.queue.move_all(NODE_LABEL, objects.node(), objects.node())
    assert (bench.where("refused"), bench.where("broken")) == ("backoff", "error")
    assert bench.pop().pod.metadata.name == "refused"
    assert bench.queue.pop() is None


def test_an_event_that_came_while_the_pod_was_tried_is_not_lost(bench: Bench) -> None:
    bench.add(objects.pod(labels={"wish": "good"}), objects.pod("other"))
    queued, other = bench.pop(), bench.pop()
    bench.queue.move_all(cluster_events.NODE_ADD, None, objects.node("good"))
    queued.unschedulable_plugins = {"Picky"}
    bench.queue.add_unschedulable(queued)
    assert bench.where() == "backoff"
    assert bench.queue.in_flight.event_count == 1  # the other one may still ask for it
    bench.queue.done(other.uid)
    assert (len(bench.queue.in_flight), bench.queue.in_flight.event_count) == (0, 0)


def test_an_event_before_the_pod_was_popped_does_not_count(bench: Bench) -> None:
    bench.add(objects.pod("early"), objects.pod(labels={"wish": "good"}))
    bench.pop()
    bench.queue.move_all(cluster_events.NODE_ADD, None, objects.node("good"))
    bench.fail("p", "Picky")
    assert bench.where() == "unschedulable"


def test_an_update_of_the_pod_itself_while_it_is_tried(bench: Bench) -> None:
    gated = objects.pod(schedulingGates=[{"name": "g"}])
    bench.add(objects.pod())
    queued = bench.pop()
    bench.queue.update(gated, objects.pod())
    queued.unschedulable_plugins = {"SchedulingGates"}
    bench.queue.add_unschedulable(queued)
    assert bench.where() == "backoff"


def test_pending_plugins_are_served_at_once(bench: Bench) -> None:
    bench.add(objects.pod())
    bench.fail("p", pending=("Waiting",))
    bench.queue.move_all(NODE_LABEL, objects.node(), objects.node())
    assert bench.where() == "active"


def test_an_error_backs_off_by_itself(bench: Bench) -> None:
    bench.add(objects.pod())
    bench.fail("p")
    assert bench.where() == "error"
    bench.now += 2.0
    bench.queue.flush()
    assert bench.where() == "active"


def test_after_five_minutes_it_is_tried_anyway(bench: Bench) -> None:
    bench.add(objects.pod())
    bench.fail("p", "Picky")
    assert bench.queue.next_deadline() == 1300.0
    bench.now = 1299.0
    bench.queue.flush()
    assert bench.where() == "unschedulable"
    bench.now = 1300.0
    bench.queue.flush()
    assert bench.where() == "active"
    assert bench.pop().flushed


def test_gated_pods_are_not_tried(bench: Bench) -> None:
    gated = objects.pod(schedulingGates=[{"name": "g"}])
    bench.add(gated)
    assert (bench.where(), bench.queue.pop()) == ("unschedulable", None)
    bench.queue.move_all(cluster_events.NODE_ADD, None, objects.node())
    bench.now += 1000.0
    bench.queue.flush()
    assert bench.where() == "unschedulable"
    bench.queue.update(gated, objects.pod())
    assert bench.where() == "active"


def test_updates_reach_a_pod_wherever_it_waits(bench: Bench) -> None:
    bench.add(objects.pod())
    bench.queue.update(objects.pod(), objects.pod(labels={"a": "b"}))
    assert bench.pop().pod.metadata.labels == {"a": "b"}
    bench.queue.done("p")
    bench.queue.update(objects.pod(), objects.pod(labels={"c": "d"}))  # unknown: it is new
    assert bench.where() == "active"


def test_a_pod_of_the_same_name_is_another_pod(bench: Bench) -> None:
    bench.add(objects.pod(uid="1"))
    bench.fail("p", "Picky")
    bench.queue.delete(objects.pod(uid="1"))
    bench.add(objects.pod(uid="2"))
    assert bench.pop().uid == "2"


def test_delete_wherever_it_waits(bench: Bench) -> None:
    bench.add(objects.pod("active"), objects.pod("refused", priority=1), objects.pod("broken", priority=2))
    bench.fail("broken")
    bench.fail("refused", "Picky")
    for name in ("active", "refused", "broken"):
        bench.queue.delete(objects.pod(name))
        assert bench.where(name) == ""
    assert bench.queue.next_deadline() is None


def test_activate(bench: Bench) -> None:
    bench.add(objects.pod())
    bench.fail("p", "Picky")
    bench.queue.activate([objects.pod()])
    assert bench.where() == "active"
    queued = bench.pop()
    bench.queue.activate([objects.pod()])  # in flight: remembered
    queued.unschedulable_plugins = {"Picky"}
    bench.queue.add_unschedulable(queued)
    assert bench.where() == "backoff"


def test_a_check_limits_a_move(bench: Bench) -> None:
    bench.add(objects.pod("a"), objects.pod("b"))
    bench.fail("a", "Waiting")
    bench.fail("b", "Waiting")
    bench.now += 5
    bench.queue.move_all(NODE_LABEL, None, objects.node(), lambda pod: pod.metadata.name == "a")
    assert (bench.where("a"), bench.where("b")) == ("active", "unschedulable")


def test_thousands_of_updates_do_not_grow_the_heap(bench: Bench) -> None:
    bench.add(objects.pod())
    for index in range(1000):
        bench.queue.update(objects.pod(), objects.pod(labels={"n": str(index)}))
    assert len(bench.queue.active._entries) < 100
    assert bench.pop().pod.metadata.labels == {"n": "999"}
