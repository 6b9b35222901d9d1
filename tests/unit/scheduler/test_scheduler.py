"""The scheduler against a real API server: what users and other components see."""

from typing import Any

import pytest

from pybernetes.scheduler.context import SchedulerConfig
from pybernetes.scheduler.profiles import Profile


async def test_a_pod_is_bound_and_an_event_says_where(cluster: Any) -> None:
    await cluster.node("n1")
    await cluster.start()
    await cluster.pod("a", "100m")
    await cluster.bound("a")
    pod = await cluster.get("a")
    assert pod["spec"]["nodeName"] == "n1"
    assert (await cluster.condition("a"))["status"] == "True"
    (event,) = await cluster.events("a")
    assert (event["type"], event["reason"], event["action"]) == ("Normal", "Scheduled", "Binding")
    assert event["note"] == "Successfully assigned default/a to n1"
    assert event["reportingController"] == "default-scheduler"


async def test_h1_other_peoples_pods_are_left_alone_and_preset_ones_counted(cluster: Any) -> None:
    """Seed H1: another scheduler's Pod gets no event from us; one with a node is not queued, but counts."""
    await cluster.node("n1", cpu="1")
    await cluster.start()
    await cluster.pod("theirs", schedulerName="other")
    await cluster.pod("preset", "800m", nodeName="n1")
    await cluster.settle()
    await cluster.pod("mine", "300m")
    message = await cluster.refused("mine")
    assert message.startswith("0/1 nodes are available: 1 Insufficient cpu.")
    assert await cluster.node_of("theirs") == ""
    assert await cluster.events("theirs") == []
    assert await cluster.events("preset") == []


async def test_h2_each_profile_answers_for_its_own_pods(cluster: Any) -> None:
    """Seed H2: with two profiles each Pod's event names its own."""
    await cluster.node("n1")
    profiles = (Profile(), Profile("second", disabled=("NodeResourcesFit",)))
    await cluster.start(SchedulerConfig(profiles=profiles, seed=1))
    await cluster.pod("one")
    await cluster.pod("two", "100", schedulerName="second")
    await cluster.bound("one", "two")
    names = {name: (await cluster.events(name))[0]["reportingController"] for name in ("one", "two")}
    assert names == {"one": "default-scheduler", "two": "second"}


async def test_h4_a_slow_binding_does_not_delay_the_next_decision(cluster: Any) -> None:
    """Seed H4: the second Pod is decided on while the first one's binding hangs."""
    await cluster.node("n1")
    await cluster.start()
    cluster.bindings.open.clear()
    await cluster.pod("first")
    await cluster.pod("second")
    await cluster.settle()
    assert len(cluster.bindings.held) == 2
    assert len(cluster.scheduler.cache.assumed) == 2
    cluster.bindings.open.set()
    await cluster.bound("first", "second")
    await cluster.settle()
    assert not cluster.scheduler.cache.assumed


async def test_h5_an_assumed_pod_takes_its_room_before_the_api_knows(cluster: Any) -> None:
    """Seed H5: room for one, binding delayed: one Scheduled, one FailedScheduling."""
    await cluster.node("n1", cpu="1")
    await cluster.start()
    cluster.bindings.open.clear()
    await cluster.pod("first", "700m")
    await cluster.pod("second", "700m")
    message = await cluster.refused("second")
    assert "Insufficient cpu" in message
    assert await cluster.node_of("first") == ""  # assumed on a copy only
    await cluster.settle(2.0)
    cluster.bindings.open.set()
    await cluster.bound("first")
    await cluster.settle(2.0)
    assert await cluster.node_of("second") == ""
    reasons = [one["reason"] for one in await cluster.events("second")]
    assert reasons == ["FailedScheduling"]


async def test_a_failure_is_told_in_condition_and_event(cluster: Any) -> None:
    await cluster.node("small", cpu="1")
    await cluster.node("tainted", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    await cluster.node("cordoned", unschedulable=True)
    await cluster.start()
    await cluster.pod("a", "2")
    message = await cluster.refused("a")
    assert message == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable. preemption: 0/3 nodes are available: "
        "3 Preemption is not helpful for scheduling."
    )
    condition = await cluster.condition("a")
    assert (condition["reason"], condition["status"]) == ("Unschedulable", "False")
    await cluster.settle()
    (event,) = await cluster.events("a")
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "FailedScheduling", "Scheduling")
    assert event["note"] == message


async def test_no_nodes_at_all(cluster: Any) -> None:
    await cluster.start()
    await cluster.pod("a")
    assert await cluster.refused("a") == "no nodes available to schedule pods"
    await cluster.node("n1")
    await cluster.bound("a")


async def test_what_changes_lets_waiting_pods_in(cluster: Any) -> None:
    await cluster.node("n1", cpu="1")
    await cluster.start()
    await cluster.pod("wants-label", nodeSelector={"disk": "ssd"})
    await cluster.pod("fills", "1")
    await cluster.bound("fills")
    await cluster.pod("wants-room", "1")
    await cluster.refused("wants-label")
    await cluster.refused("wants-room")
    await cluster.settle(60.0)
    assert len(cluster.scheduler.queue.unschedulable) == 2
    await cluster.patch("Node", "n1", {"metadata": {"labels": {"disk": "ssd"}}})
    await cluster.bound("wants-label")
    assert await cluster.node_of("wants-room") == ""
    await cluster.delete("fills")
    await cluster.bound("wants-room")


async def test_h3_a_delete_that_was_missed_empties_the_queue(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Seed H3: a queued Pod is deleted while the watch is cut: it leaves the queue, and nothing fails."""
    await cluster.start()
    await cluster.node("n1")
    for name in ("a", "b"):
        await cluster.pod(name, nodeSelector={"no": "where"})
        await cluster.refused(name)
    cluster.watches.lost = True
    await cluster.delete("a")
    await cluster.settle()
    assert cluster.scheduler.queue.find("default/a") is not None
    cluster.watches.restore()
    await cluster.settle(2.0)
    assert cluster.scheduler.queue.find("default/a") is None
    assert cluster.scheduler.queue.find("default/b") is not None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_gates_hold_a_pod_until_the_last_is_gone(cluster: Any) -> None:
    await cluster.node("n1")
    await cluster.start()
    await cluster.pod("a", schedulingGates=[{"name": "example.com/x"}])
    await cluster.settle(5.0)
    assert await cluster.node_of("a") == ""
    assert await cluster.events("a") == []
    await cluster.client.dynamic("v1", "Pod").patch("a", {"spec": {"schedulingGates": None}}, "default")
    await cluster.bound("a")


async def test_a_pod_deleted_while_it_is_being_bound_frees_its_room(cluster: Any) -> None:
    await cluster.node("n1", cpu="1")
    await cluster.start()
    cluster.bindings.open.clear()
    await cluster.pod("first", "1")
    await cluster.settle()
    await cluster.delete("first")
    await cluster.settle()
    cluster.bindings.open.set()
    await cluster.pod("second", "1")
    await cluster.bound("second")
    await cluster.settle(15.0)
    assert not cluster.scheduler.queue.unschedulable


async def test_many_pods_never_overcommit(cluster: Any) -> None:
    for index in range(4):
        await cluster.node(f"n{index}", cpu="1")
    await cluster.start()
    for index in range(50):
        await cluster.pod(f"p{index}", "100m")

    async def forty() -> bool:
        return sum(bool(pod["spec"].get("nodeName")) for pod in await cluster.pods()) == 40

    await cluster.until(forty)
    used: dict[str, int] = {}
    for pod in await cluster.pods():
        node = pod["spec"].get("nodeName", "")
        used[node] = used.get(node, 0) + 1
    assert used == {"": 10, "n0": 10, "n1": 10, "n2": 10, "n3": 10}


async def test_metrics_have_upstreams_names(cluster: Any) -> None:
    await cluster.node("n1")
    await cluster.start()
    await cluster.pod("a")
    await cluster.pod("b", nodeSelector={"no": "where"})
    await cluster.bound("a")
    await cluster.refused("b")
    await cluster.settle()
    text = cluster.registry.render().decode()
    assert 'scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 1' in text
    assert 'scheduler_pending_pods{queue="unschedulable"} 1' in text
    assert 'scheduler_unschedulable_pods{plugin="NodeAffinity",profile="default-scheduler"} 1' in text


async def test_a_new_scheduler_goes_on_where_the_old_one_was_killed(cluster: Any) -> None:
    await cluster.node("n1", cpu="2")
    await cluster.start()
    await cluster.pod("bound", "1")
    await cluster.bound("bound")
    cluster.bindings.open.clear()
    await cluster.pod("assumed", "1")
    await cluster.settle()
    assert len(cluster.scheduler.cache.assumed) == 1
    await cluster.kill()
    cluster.bindings.open.set()
    await cluster.pod("late", "1")
    await cluster.start()
    await cluster.bound("assumed")
    assert "Insufficient cpu" in await cluster.refused("late")


async def test_a_binding_that_fails_gives_the_room_back_and_is_tried_again(cluster: Any) -> None:
    await cluster.node("n1", cpu="1")
    await cluster.start()
    cluster.bindings.failures = 4  # one more than is retried in place
    await cluster.pod("a", "1")
    await cluster.until(lambda: len(cluster.bindings.held) == 4)
    await cluster.settle(0.5)
    condition = await cluster.condition("a")
    assert condition["reason"] == "SchedulerError"
    assert condition["message"] == ('running Bind plugin "DefaultBinder": Internal error occurred: etcd is on holiday')
    await cluster.bound("a")


async def test_a_node_that_appears_and_disappears(cluster: Any) -> None:
    await cluster.start()
    await cluster.node("n1")
    await cluster.node("n2")
    await cluster.delete("n1", "Node")
    await cluster.settle()
    for index in range(3):
        await cluster.pod(f"p{index}")
    await cluster.bound("p0", "p1", "p2")
    assert {await cluster.node_of(f"p{index}") for index in range(3)} == {"n2"}
