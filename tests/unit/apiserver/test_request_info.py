"""URLs and methods become verbs and resources as upstream's RequestInfo has them."""

import pytest

from pybernetes.apiserver import request_info

CASES = [
    ("GET", "/api/v1/namespaces", "list", "", "", "namespaces", "", ""),
    ("GET", "/api/v1/namespaces/other", "get", "", "other", "namespaces", "", "other"),
    ("GET", "/api/v1/namespaces/other/pods", "list", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods/foo", "get", "", "other", "pods", "", "foo"),
    ("HEAD", "/api/v1/namespaces/other/pods/foo", "get", "", "other", "pods", "", "foo"),
    ("GET", "/api/v1/pods", "list", "", "", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods/foo/log", "get", "", "other", "pods", "log", "foo"),
    ("GET", "/api/v1/namespaces/other/pods/foo/proxy/a/b", "get", "", "other", "pods", "proxy", "foo"),
    ("GET", "/api/v1/watch/pods", "watch", "", "", "pods", "", ""),
    ("GET", "/api/v1/watch/namespaces/other/pods/foo", "watch", "", "other", "pods", "", "foo"),
    ("GET", "/api/v1/namespaces/other/pods?watch=true", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=0", "list", "", "other", "pods", "", ""),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name=foo", "list", "", "", "pods", "", "foo"),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name=foo&watch", "watch", "", "", "pods", "", "foo"),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name=a/b", "list", "", "", "pods", "", ""),
    ("PUT", "/api/v1/namespaces/other/finalize", "update", "", "other", "namespaces", "finalize", "other"),
    ("PUT", "/api/v1/namespaces/other/status", "update", "", "other", "namespaces", "status", "other"),
    ("DELETE", "/api/v1/namespaces/other/pods", "deletecollection", "", "other", "pods", "", ""),
    ("DELETE", "/api/v1/namespaces/other/pods/foo", "delete", "", "other", "pods", "", "foo"),
    ("POST", "/apis/apps/v1/namespaces/other/deployments", "create", "apps", "other", "deployments", "", ""),
    ("PATCH", "/apis/apps/v1/namespaces/o/deployments/d/scale", "patch", "apps", "o", "deployments", "scale", "d"),
    (
        "GET",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/x",
        "get",
        "rbac.authorization.k8s.io",
        "",
        "clusterroles",
        "",
        "x",
    ),
]


@pytest.mark.parametrize(("method", "url", "verb", "group", "namespace", "resource", "subresource", "name"), CASES)
def test_resources(
    method: str, url: str, verb: str, group: str, namespace: str, resource: str, subresource: str, name: str
) -> None:
    path, _, query = url.partition("?")
    parameters = {part.partition("=")[0]: [part.partition("=")[2]] for part in query.split("&") if part}
    info = request_info.parse(method, path, parameters)
    assert info.is_resource
    assert (info.verb, info.group, info.namespace) == (verb, group, namespace)
    assert (info.resource, info.subresource, info.name) == (resource, subresource, name)


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/healthz/etcd", "/nothing/a/b/c"],
)
def test_other_paths(path: str) -> None:
    info = request_info.parse("GET", path)
    assert not info.is_resource
    assert (info.verb, info.path) == ("get", path)
