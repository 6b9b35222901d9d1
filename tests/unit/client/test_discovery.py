"""The same picture from servers with and without aggregated discovery."""

from typing import Any

import msgspec

from pybernetes.apimachinery import errors
from pybernetes.client import discovery, rest
from pybernetes.http import messages


def _json(value: Any) -> messages.Response:
    return messages.Response(200, [], msgspec.json.encode(value))


async def test_aggregated(server: Any, client: rest.Client) -> None:
    deployments = {
        "resource": "deployments",
        "responseKind": {"kind": "Deployment"},
        "scope": "Namespaced",
        "singularResource": "deployment",
        "verbs": ["get"],
        "shortNames": ["deploy"],
        "subresources": [{"subresource": "scale"}],
    }
    apps = {
        "metadata": {"name": "apps"},
        "versions": [
            {"version": "v1", "resources": [deployments]},
            {"version": "v1beta1", "resources": [deployments, {"resource": "old", "responseKind": {"kind": "Old"}}]},
            {"version": "v0", "freshness": "Stale"},
        ],
    }
    kind = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2"}
    server.faults = [_json({**kind, "items": []}), _json({**kind, "items": [apps]})]
    found = await discovery.discover(client)
    assert [request for _, request in server.requests] == ["/api", "/apis"]
    assert found.groups == [discovery.ApiGroup("apps", ("v1", "v1beta1", "v0"))]
    assert found.failed == {"apps/v0": "stale GroupVersion discovery: apps/v0"}
    assert [(one.api_version, one.plural) for one in found.preferred()] == [
        ("apps/v1", "deployments"),
        ("apps/v1beta1", "old"),
    ]
    one = found.resources[0]
    assert (one.kind, one.namespaced, one.short_names, one.subresources) == (
        "Deployment",
        True,
        ("deploy",),
        ("scale",),
    )


async def test_group_by_group(server: Any, client: rest.Client) -> None:
    pods = [
        {"name": "pods", "kind": "Pod", "namespaced": True, "singularName": "pod", "verbs": ["get"]},
        {"name": "pods/log", "kind": "Pod", "namespaced": True},
    ]
    group = {
        "name": "x.io",
        "versions": [{"version": "v1"}, {"version": "v2"}],
        "preferredVersion": {"version": "v2"},
    }
    server.faults = [
        _json({"kind": "APIVersions", "versions": ["v1"]}),
        _json({"resources": pods}),
        _json({"kind": "APIGroupList", "groups": [group]}),
        errors.ServiceUnavailable("down"),
        _json({"resources": [{"name": "foos", "kind": "Foo"}]}),
    ]
    found = await discovery.discover(client)
    assert found.groups == [discovery.ApiGroup("", ("v1",)), discovery.ApiGroup("x.io", ("v2", "v1"))]
    assert found.failed == {"x.io/v2": "down"}
    assert [(one.api_version, one.kind, one.subresources) for one in found.resources] == [
        ("v1", "Pod", ("log",)),
        ("x.io/v1", "Foo", ()),
    ]
