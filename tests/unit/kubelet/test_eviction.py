from collections.abc import Callable
from typing import Any

from pybernetes.api.types import core
from pybernetes.kubelet import eviction

MakePod = Callable[..., core.Pod]
MEMORY = eviction.Signal("memory", 100, 50)


def made(make_pod: MakePod, uid: str, request: str = "0", **spec: Any) -> core.Pod:
    metadata = {"uid": uid, **spec.pop("metadata", {})}
    container = {"name": "c", "resources": {"requests": {"memory": request}}}
    return make_pod(metadata=metadata, containers=[container], **spec)


def test_signals() -> None:
    plenty = 10 * eviction.MEMORY_THRESHOLD
    assert eviction.signals(plenty, 50, 100) == []
    assert [one.resource for one in eviction.signals(1, 5, 100)] == ["memory", "ephemeral-storage"]


def test_who_goes_first(make_pod: MakePod) -> None:
    pods = [
        made(make_pod, "modest", "1Ki"),
        made(make_pod, "greedy"),
        made(make_pod, "greediest"),
        made(make_pod, "important", priority=100),
        made(make_pod, "critical", priority=2_000_000_000),
        made(make_pod, "static", metadata={"annotations": {"kubernetes.io/config.source": "file"}}),
    ]
    usage = {"modest": 1000, "greedy": 2000, "greediest": 3000, "important": 9000, "critical": 9000, "static": 9000}
    ranked = [pod.metadata.uid for pod in eviction.rank(pods, MEMORY, usage)]
    assert ranked == ["greediest", "greedy", "important", "modest"]


def test_the_message_says_what_was_short(make_pod: MakePod) -> None:
    pod = made(make_pod, "u-1", "1Mi")
    text = eviction.message(pod, MEMORY, {"u-1": 4096})
    assert text.startswith("The node was low on resource: memory. Threshold quantity: 100, available: 0Ki. ")
    assert "Container c was using 4Ki, request is 1Mi, has larger consumption of memory. " in text
    condition = eviction.condition(pod, text)
    assert (condition.type, condition.reason) == ("DisruptionTarget", "TerminationByKubelet")
