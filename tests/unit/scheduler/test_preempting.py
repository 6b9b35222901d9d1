"""Preemption on a real API server."""

from typing import Any


async def test_a_more_important_pod_makes_room(cluster: Any) -> None:
    await cluster.node("n1", cpu="1")
    await cluster.start()
    await cluster.pod("low", "800m", priority=1)
    await cluster.bound("low")
    high = await cluster.pod("high", "800m", priority=10)
    await cluster.settle(0.5)
    condition = await cluster.condition("high")
    assert condition["message"] == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: found a potential placement for pod on node n1, "
        "preempting 1 victims"
    )
    pod = await cluster.get("high")
    assert pod["status"]["nominatedNodeName"] == "n1"
    low = await cluster.get("low")
    assert "deletionTimestamp" in low["metadata"]
    (target,) = [one for one in low["status"]["conditions"] if one["type"] == "DisruptionTarget"]
    assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
    assert target["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    event = next(one for one in await cluster.events("low") if one["reason"] == "Preempted")
    assert event["note"] == f"Preempted by pod {high['metadata']['uid']} on node n1"
    assert (event["action"], event["related"]["name"]) == ("Preempting", "high")
    await cluster.delete("low")  # the kubelet's part
    await cluster.bound("high")
    assert await cluster.node_of("high") == "n1"


async def test_the_room_is_kept_for_the_nominated_pod(cluster: Any) -> None:
    await cluster.node("n1", cpu="1")
    await cluster.start()
    await cluster.pod("low", "800m", priority=1)
    await cluster.bound("low")
    await cluster.pod("high", "800m", priority=10)
    await cluster.settle(0.5)
    await cluster.pod("sneaky", "100m", priority=5)
    await cluster.settle(0.5)
    await cluster.delete("low")
    await cluster.bound("high", "sneaky")
    await cluster.pod("big", "800m", priority=5)
    assert "No preemption victims found for incoming pod" in await cluster.refused("big")


async def test_preemption_policy_never(cluster: Any) -> None:
    await cluster.node("n1", cpu="1")
    await cluster.start()
    await cluster.pod("low", "800m", priority=1)
    await cluster.bound("low")
    await cluster.pod("polite", "800m", priority=10, preemptionPolicy="Never")
    message = await cluster.refused("polite")
    assert message.endswith("preemption: not eligible due to preemptionPolicy=Never.")
    assert "deletionTimestamp" not in (await cluster.get("low"))["metadata"]


async def test_the_least_important_victims_are_taken(cluster: Any) -> None:
    await cluster.node("n1", cpu="2")
    await cluster.node("n2", cpu="2")
    await cluster.start()
    for index, priority in enumerate((1, 5, 5, 5)):
        await cluster.pod(f"p{index}", "900m", priority=priority)
        await cluster.bound(f"p{index}")
    await cluster.pod("high", "900m", priority=10)
    await cluster.settle(1.0)
    going = [pod["metadata"]["name"] for pod in await cluster.pods() if "deletionTimestamp" in pod["metadata"]]
    assert going == ["p0"]
