"""Seed M1: list, watch, cache, indexes, handlers; 410 lists again and nothing is lost."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api.types import core
from pybernetes.apimachinery import errors, labels
from pybernetes.client import informer, reflector, rest

PODS = "/api/v1/namespaces/default/pods"


class Log:
    """What handlers were told."""

    def __init__(self, source: informer.Informer[Any]) -> None:
        self.lines: list[str] = []
        source.add_handler(
            lambda obj: self.lines.append(f"+{obj.metadata.name}"),
            lambda old, new: self.lines.append(f"~{new.metadata.name} {old.spec.nodeName!r}->{new.spec.nodeName!r}"),
            self.deleted,
        )

    def deleted(self, obj: informer.Deleted[core.Pod]) -> None:
        unknown = isinstance(obj, informer.DeletedFinalStateUnknown)
        self.lines.append(f"-{informer.last_known(obj).metadata.name}{'?' if unknown else ''}")


@pytest.fixture
async def group() -> AsyncIterator[tasks.TaskGroup]:
    async with tasks.TaskGroup("test") as one:
        yield one


@pytest.fixture
def factory(client: rest.Client, virtual: clock.VirtualClock, group: tasks.TaskGroup) -> informer.InformerFactory:
    return informer.InformerFactory(client, virtual, group)


async def test_handlers_hear_of_everything(server: Any, factory: informer.InformerFactory, virtual: Any) -> None:
    """Seed M1: handlers hear of what is there and of every change."""
    server.put(f"{PODS}/a", spec={"nodeName": ""})
    pods = factory.informer(core.Pod)
    log = Log(pods)
    assert not pods.has_synced
    await factory.start()
    await factory.wait_for_sync()
    server.put(f"{PODS}/b")
    server.put(f"{PODS}/a", spec={"nodeName": "n1"})
    server.remove(f"{PODS}/b")
    await virtual.advance(0.0)
    assert log.lines == ["+a", "+b", "~a ''->'n1'", "-b"]
    pod = pods.get("default", "a")
    assert pod is not None
    assert pod.spec.nodeName == "n1"
    assert pods.get("default", "b") is None
    assert pods.by_key("default/a") is pod


async def test_gone_lists_again_and_reports_the_difference(
    server: Any, factory: informer.InformerFactory, virtual: Any
) -> None:
    """Seed M1: 410 Gone lists again, and no handler misses the difference."""
    for name in "abc":
        server.put(f"{PODS}/{name}")
    pods = factory.informer(core.Pod)
    log = Log(pods)
    await factory.start()
    await factory.wait_for_sync()
    await virtual.advance(0.0)
    log.lines.clear()
    server.cut_watches()
    server.faults = [errors.Expired("too old")]  # the answer to the next watch
    server.remove(f"{PODS}/a")
    server.put(f"{PODS}/b", spec={"nodeName": "n2"})
    server.put(f"{PODS}/d")
    server.history.clear()
    server.forget_history()
    await virtual.advance(60.0)
    assert sorted(log.lines) == ["+d", "-a?", "~b ''->'n2'"]
    assert {pod.metadata.name for pod in pods.list()} == {"b", "c", "d"}
    assert server.requests[-1][1].startswith("/api/v1/pods?watch=true")
    server.put(f"{PODS}/e")
    await virtual.advance(0.0)
    assert log.lines[-1] == "+e"


async def test_error_event_in_the_stream_is_gone_too(
    server: Any, factory: informer.InformerFactory, virtual: Any
) -> None:
    pods = factory.informer(core.Pod)
    await factory.start()
    await factory.wait_for_sync()
    await virtual.advance(0.0)
    server.put(f"{PODS}/a")
    server.history.clear()
    server.forget_history()
    server.cut_watches()
    await virtual.advance(60.0)
    assert len(pods) == 1


async def test_first_list_fails_and_is_retried(server: Any, factory: informer.InformerFactory, virtual: Any) -> None:
    server.put(f"{PODS}/a")
    server.faults = [errors.InternalError("no"), errors.Forbidden("pods", "", "no")]
    pods = factory.informer(core.Pod)
    await factory.start()
    await virtual.advance(0.5)
    assert not pods.has_synced
    assert pods.reflector.state is reflector.State.BACK_OFF_LIST
    await virtual.advance(10.0)
    assert pods.has_synced
    assert server.requests[0][1].startswith("/api/v1/pods?watch=true&resourceVersion=0&")


async def test_a_server_that_cannot_stream_lists_is_asked_for_a_list(
    server: Any, factory: informer.InformerFactory, virtual: Any
) -> None:
    server.streams_lists = False
    server.put(f"{PODS}/a")
    pods = factory.informer(core.Pod)
    await factory.start()
    await factory.wait_for_sync()
    await virtual.advance(0.0)
    assert [pod.metadata.name for pod in pods.list()] == ["a"]
    assert server.requests[1][1] == "/api/v1/pods?resourceVersion=0"
    assert server.requests[2][1].startswith("/api/v1/pods?watch=true&resourceVersion=101")


async def test_a_watch_that_ends_goes_on_where_it_was(
    server: Any, factory: informer.InformerFactory, virtual: Any
) -> None:
    pods = factory.informer(core.Pod)
    log = Log(pods)
    await factory.start()
    await factory.wait_for_sync()
    await virtual.advance(5.0)
    for number in range(3):
        server.put(f"{PODS}/p{number}")
        await virtual.advance(5.0)
        server.cut_watches()
        await virtual.advance(5.0)
    assert log.lines == ["+p0", "+p1", "+p2"]
    assert server.count("GET", "resourceVersion=0") == 1
    assert server.count("GET", "watch=true") == 4


async def test_namespaces_selectors_indexes(server: Any, factory: informer.InformerFactory) -> None:
    for namespace, name, app, node in (("x", "a", "web", "n1"), ("x", "b", "db", "n1"), ("y", "c", "web", "n2")):
        server.put(
            f"/api/v1/namespaces/{namespace}/pods/{name}",
            metadata={"labels": {"app": app}},
            spec={"nodeName": node},
        )
    pods = factory.informer(core.Pod)
    pods.add_index("node", lambda pod: (pod.spec.nodeName,))
    await factory.start()
    await factory.wait_for_sync()
    pods.add_index("app", lambda pod: [*pod.metadata.labels.values()])

    def names(found: list[core.Pod]) -> str:
        return "".join(sorted(pod.metadata.name for pod in found))

    assert names(pods.list()) == "abc"
    assert names(pods.list("x")) == "ab"
    assert names(pods.list("z")) == ""
    assert names(pods.list(selector=labels.parse("app=web"))) == "ac"
    assert names(pods.by_index("node", "n1")) == "ab"
    assert names(pods.by_index("app", "db")) == "b"
    assert sorted(pods.index_values("node")) == ["n1", "n2"]


async def test_index_follows_changes(server: Any, factory: informer.InformerFactory, virtual: Any) -> None:
    pods = factory.informer(core.Pod)
    pods.add_index("node", lambda pod: (pod.spec.nodeName,))
    await factory.start()
    await factory.wait_for_sync()
    server.put(f"{PODS}/a", spec={"nodeName": "n1"})
    server.put(f"{PODS}/a", spec={"nodeName": "n2"})
    await virtual.advance(0.0)
    assert pods.by_index("node", "n1") == []
    assert len(pods.by_index("node", "n2")) == 1
    server.remove(f"{PODS}/a")
    await virtual.advance(0.0)
    assert pods.index_values("node") == []


async def test_informers_are_shared_per_arguments(factory: informer.InformerFactory) -> None:
    assert factory.informer(core.Pod) is factory.informer(core.Pod)
    assert factory.informer(core.Pod) is not factory.informer(core.Pod, namespace="x")
    assert factory.dynamic("v1", "Pod") is factory.dynamic("v1", "Pod")
    plain: object = factory.dynamic("v1", "Pod")
    assert plain is not factory.informer(core.Pod)


async def test_late_handlers_get_what_is_there(server: Any, factory: informer.InformerFactory) -> None:
    server.put(f"{PODS}/a")
    pods = factory.informer(core.Pod)
    await factory.start()
    await factory.wait_for_sync()
    assert Log(pods).lines == ["+a"]


async def test_a_handler_that_raises_harms_nobody(
    server: Any, factory: informer.InformerFactory, virtual: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Seed M5: an error in a handler is logged and counted, and ends nothing."""
    pods = factory.informer(core.Pod)

    def broken(obj: object) -> None:
        raise RuntimeError("boom")

    pods.add_handler(broken)
    log = Log(pods)
    await factory.start()
    server.put(f"{PODS}/a")
    await virtual.advance(0.0)
    server.put(f"{PODS}/b")
    await virtual.advance(0.0)
    assert log.lines == ["+a", "+b"]
    assert caplog.text.count("RuntimeError: boom") == 2


async def test_dynamic_informers_and_metadata_only(
    server: Any, factory: informer.InformerFactory, virtual: Any
) -> None:
    server.put(f"{PODS}/a", kind="Pod", apiVersion="v1", spec={"nodeName": "n"})
    plain, partial = factory.dynamic("v1", "Pod"), factory.partial("v1", "Pod")
    await factory.start()
    await factory.wait_for_sync()
    found = plain.get("default", "a")
    assert found is not None
    assert found["spec"] == {"nodeName": "n"}
    metadata = partial.list()[0]
    assert (metadata.kind, metadata.metadata.uid) == ("Pod", "uid-a")
    await factory.stop(plain)
    server.put(f"{PODS}/b")
    await virtual.advance(0.0)
    assert (len(plain), len(partial)) == (1, 2)


async def test_equal_parts_of_cached_objects_are_one(server: Any, factory: informer.InformerFactory) -> None:
    for name in "ab":
        server.put(
            f"{PODS}/{name}",
            metadata={"labels": {"app": "web"}},
            spec={"nodeName": name, "containers": [{"name": "c", "image": "i"}], "tolerations": [{"key": "k"}]},
            status={"conditions": [{"type": "Ready", "status": "True"}, {"type": name, "status": "True"}]},
        )
    pods = factory.informer(core.Pod)
    await factory.start()
    await factory.wait_for_sync()
    a, b = pods.list()
    assert a.spec.containers is b.spec.containers
    assert a.spec.tolerations is b.spec.tolerations
    assert a.metadata.labels is b.metadata.labels
    assert a.status.conditions[0] is b.status.conditions[0]
    assert a.status.conditions[1] is not b.status.conditions[1]
    assert (a.spec.nodeName, b.spec.nodeName) == ("a", "b")
