"""Verbs, their paths, queries and bodies; errors as the server meant them."""

from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api.types import apps, core, meta, rbac
from pybernetes.apimachinery import errors
from pybernetes.client import decode, mapping, pagination, rest
from pybernetes.http import messages

PODS = "/api/v1/namespaces/default/pods"


async def test_paths(client: rest.Client) -> None:
    pods, nodes, roles = client.resource(core.Pod), client.resource(core.Node), client.resource(rbac.ClusterRole)
    where = await pods.mapping()
    assert where.path() == "/api/v1/pods"
    assert where.path("x") == "/api/v1/namespaces/x/pods"
    assert where.path("x", "a", "log") == "/api/v1/namespaces/x/pods/a/log"
    assert (await nodes.mapping()).path("ignored", "n1") == "/api/v1/nodes/n1"
    path = (await roles.mapping()).path(name="system:node/x y")
    assert path == "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node%2Fx%20y"


async def test_create_get_patch_delete(server: Any, client: rest.Client) -> None:
    pods = client.resource(core.Pod)
    made = await pods.create(core.Pod(metadata=meta.ObjectMeta(name="a", namespace="default")))
    assert made.metadata.uid == "uid-a"
    assert server.bodies[0] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"}}
    assert (await pods.get("a", "default")) == made
    patched = await pods.patch("a", {"spec": {"nodeName": "n1"}}, "default", type="strategic", field_manager="me")
    assert patched.spec.nodeName == "n1"
    await pods.delete("a", "default", grace_period=0, uid="uid-a", propagation="Background")
    assert server.requests == [
        ("POST", PODS),
        ("GET", f"{PODS}/a"),
        ("PATCH", f"{PODS}/a?fieldManager=me"),
        ("DELETE", f"{PODS}/a"),
    ]
    assert server.headers[2].get("Content-Type") == "application/strategic-merge-patch+json"
    assert server.headers[0].get("User-Agent") == "test/1"
    assert server.bodies[3] == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "uid-a"},
        "propagationPolicy": "Background",
    }


async def test_statuses_become_errors(server: Any, client: rest.Client) -> None:
    pods = client.resource(core.Pod)
    with pytest.raises(errors.NotFound):
        await pods.get("a", "default")
    server.put(f"{PODS}/a")
    with pytest.raises(errors.AlreadyExists):
        await pods.create({"metadata": {"name": "a"}}, "default")
    server.faults = [messages.Response(502, [], b"bad gateway")]
    with pytest.raises(errors.InternalError, match=r"an error on the server \(\"bad gateway\"\) has prevented"):
        await pods.get("a", "default")
    with pytest.raises(ValueError, match="resource name may not be empty"):
        await pods.get("", "default")


async def test_retry_after_is_obeyed_ten_times(server: Any, client: rest.Client, virtual: clock.VirtualClock) -> None:
    server.put(f"{PODS}/a")
    busy = messages.Response(429, [("Retry-After", "2")], b"")
    server.faults = [busy, busy]
    async with tasks.TaskGroup("test") as group:
        call = group.start(client.resource(core.Pod).get("a", "default"), "get")
        await virtual.advance(3.9)
        assert not call.done()
        await virtual.advance(0.2)
        assert call.result().metadata.name == "a"
        server.faults = [busy] * 11
        refused = group.start(_outcome(client), "get again")
        await virtual.advance(100.0)
        assert isinstance(refused.result(), errors.TooManyRequests)
    assert len(server.requests) == 14


async def _outcome(client: rest.Client) -> Exception | None:
    try:
        await client.resource(core.Pod).get("a", "default")
    except errors.StatusError as error:
        return error
    return None


async def test_a_429_without_retry_after_is_final(server: Any, client: rest.Client) -> None:
    server.faults = [errors.TooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.")]
    with pytest.raises(errors.TooManyRequests, match="disruption budget"):
        await client.resource(core.Pod).create_subresource("a", "eviction", {}, "default")
    assert server.requests == [("POST", f"{PODS}/a/eviction")]


async def test_lists_in_pages(server: Any, client: rest.Client) -> None:
    for number in range(7):
        server.put(f"{PODS}/p{number}")
    pods = client.resource(core.Pod)
    whole = await pagination.list_all(pods, "default", limit=3)
    assert [pod.metadata.name for pod in whole.items] == [f"p{number}" for number in range(7)]
    assert server.count("GET", "limit=3") == 3
    server.requests.clear()
    server.faults = [None, errors.Expired("too old")]
    whole = await pagination.list_all(pods, "default", limit=3)
    assert len(whole.items) == 7
    assert server.requests[-1] == ("GET", PODS)


async def test_dynamic_kinds_are_discovered(server: Any, client: rest.Client) -> None:
    discovery = {
        "resources": [{"name": "foos", "kind": "Foo", "namespaced": True}, {"name": "foos/status", "kind": "Foo"}]
    }
    server.faults = [messages.Response(200, [], msgspec.json.encode(discovery))]
    server.put("/apis/example.com/v1/namespaces/x/foos/a", spec={"replicas": 2})
    foos = client.dynamic("example.com/v1", "Foo")
    assert (await foos.get("a", "x"))["spec"] == {"replicas": 2}
    assert [path for _, path in server.requests] == [
        "/apis/example.com/v1",
        "/apis/example.com/v1/namespaces/x/foos/a",
    ]
    listed = await foos.list()
    assert listed.items[0]["apiVersion"] == "v1"  # what the list says of its items
    with pytest.raises(mapping.NoMatch, match=r'no matches for kind "Bar" in version "example\.com/v1"'):
        await client.dynamic("example.com/v1", "Bar").get("a")


async def test_watch_events_and_errors(server: Any, client: rest.Client) -> None:
    server.put(f"{PODS}/a")
    server.put(f"{PODS}/a", spec={"nodeName": "n"})
    pods = client.resource(core.Pod)
    seen: list[tuple[str, str]] = []
    async with pods.watch("default", resource_version="100", label_selector="a=b", timeout=30) as watch:
        async for event in watch:
            seen.append((event.type, event.object.spec.nodeName))
            if len(seen) == 2:
                break
    assert seen == [("ADDED", ""), ("MODIFIED", "n")]
    expected = "watch=true&resourceVersion=100&labelSelector=a=b&allowWatchBookmarks=true&timeoutSeconds=30"
    assert server.requests[0][1] == f"{PODS}?{expected}"
    server.forget_history()
    with pytest.raises(errors.Expired):
        await anext(pods.watch("default", resource_version="100"))
    server.faults = [errors.Forbidden("pods", "", "no")]
    with pytest.raises(errors.Forbidden):
        await anext(pods.watch("default", resource_version="100"))


def test_nulls_are_read_as_zero_values() -> None:
    data = b'{"metadata":{"name":"a","creationTimestamp":null,"labels":null},"spec":{"containers":null}}'
    pod = decode.ObjectDecoder(core.Pod).one(data)
    assert (pod.metadata.name, pod.metadata.labels, pod.spec.containers) == ("a", {}, ())
    _, items = decode.ObjectDecoder(core.Pod).many(
        b'{"kind":"PodList","metadata":{"remainingItemCount":null},"items":null}'
    )
    assert items == ()
    _, items = decode.ObjectDecoder(core.Pod).many(
        b'{"kind":"PodList","metadata":{"continue":null},"items":[{"status":null}]}'
    )
    assert len(items) == 1


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"kind":"Pod"}', b'{"spec":{"replicas":"three"}}'])
def test_nonsense_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(decode.DecodeError):
        decode.ObjectDecoder(apps.ReplicaSet).one(data)
    with pytest.raises(decode.DecodeError):
        decode.ObjectDecoder(apps.ReplicaSet).many(data)


def test_equal_parts_are_shared() -> None:
    one = core.Pod(spec=core.PodSpec(nodeName="a", containers=(core.Container(name="a"), core.Container(name="b"))))
    containers = (core.Container(name="a"), core.Container(name="c"), core.Container(name="d"))
    other = core.Pod(spec=core.PodSpec(nodeName="b", containers=containers))
    expected = msgspec.json.encode(other)
    shared = decode.share(other, one)
    assert msgspec.json.encode(shared) == expected
    assert shared.spec.containers[0] is one.spec.containers[0]
    assert decode.share(msgspec.json.decode(expected, type=core.Pod), shared) is shared
    assert decode.share(core.PodIP(ip="1"), core.HostIP(ip="1")) == core.PodIP(ip="1")
