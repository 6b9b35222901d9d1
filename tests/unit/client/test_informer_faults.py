"""Whatever breaks between server and cache: in the end they agree, and so do all who listened."""

import random
from typing import Any

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import informer, rest
from pybernetes.http import messages

PODS = "/api/v1/namespaces/{}/pods/{}"
FAULTS = (
    errors.InternalError("no"),
    errors.Expired("too old"),
    errors.TooManyRequests("slow down"),
    errors.ServiceUnavailable("later"),
    messages.Response(200, [], b"<html>nonsense</html>"),
    messages.Response(200, [], b'{"type":"MODIFIED","object":{"spec":3}}\n'),
)


class Listener:
    """Builds the state of the world from what handlers are told."""

    def __init__(self, pods: informer.Informer[core.Pod]) -> None:
        self.state: dict[str, str] = {}
        pods.add_handler(self.add, self.update, self.delete)

    def add(self, pod: core.Pod) -> None:
        assert self._key(pod) not in self.state
        self.state[self._key(pod)] = pod.spec.nodeName

    def update(self, old: core.Pod, new: core.Pod) -> None:
        assert self.state[self._key(old)] == old.spec.nodeName
        self.state[self._key(new)] = new.spec.nodeName

    def delete(self, gone: informer.Deleted[core.Pod]) -> None:
        del self.state[self._key(informer.last_known(gone))]

    @staticmethod
    def _key(pod: core.Pod) -> str:
        return PODS.format(pod.metadata.namespace, pod.metadata.name)


def _disturb(server: Any, rng: random.Random) -> None:
    path = PODS.format(rng.choice("xyz"), rng.choice("abcdefgh"))
    action = rng.random()
    if action < 0.5:
        server.put(path, spec={"nodeName": f"n{rng.randrange(100)}"})
    elif action < 0.75 and path in server.objects:
        server.remove(path)
    elif action < 0.85:
        server.cut_watches()
    elif action < 0.92:
        server.forget_history()
        server.history.clear()
        server.cut_watches()
    else:
        server.faults.append(rng.choice(FAULTS))


@pytest.mark.parametrize("seed", range(20))
async def test_caches_converge(server: Any, client: rest.Client, virtual: clock.VirtualClock, seed: int) -> None:
    rng = random.Random(seed)
    server.streams_lists = seed % 2 == 0
    async with tasks.TaskGroup("test") as group:
        factory = informer.InformerFactory(client, virtual, group)
        pods = factory.informer(core.Pod)
        pods.add_index("node", lambda pod: (pod.spec.nodeName,))
        listener = Listener(pods)
        await factory.start()
        for _ in range(150):
            _disturb(server, rng)
            if rng.random() < 0.3:
                await virtual.advance(rng.choice((0.0, 0.1, 5.0)))
        server.faults.clear()
        await virtual.advance(300.0)
    expected = {path: obj["spec"]["nodeName"] for path, obj in server.objects.items()}
    assert listener.state == expected
    assert {
        PODS.format(pod.metadata.namespace, pod.metadata.name): pod.spec.nodeName for pod in pods.list()
    } == expected
    by_node = [pod for node in pods.index_values("node") for pod in pods.by_index("node", node)]
    assert sorted(pod.metadata.name for pod in by_node) == sorted(path[-1] for path in expected)
