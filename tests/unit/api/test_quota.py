"""What objects use of quotas, as tables."""

import datetime

import pytest

from pybernetes.api import quota

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def shown(found):
    return {name: str(amount) for name, amount in found.items()}


def container(side="requests", **more):
    return {"name": "c", "resources": {side: more.pop("amounts", {"cpu": "100m", "memory": "1Gi"})}, **more}


def pod(*containers, init=(), phase="Running", **spec):
    return {"spec": {"containers": [*containers], "initContainers": [*init], **spec}, "status": {"phase": phase}}


def priority(operator, *values):
    term = {"scopeName": "PriorityClass", "operator": operator, "values": [*values]}
    return {"scopeSelector": {"matchExpressions": [term]}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod({"name": "c"}), {"pods": "1", "count/pods": "1"}),
        (
            pod(container(), container()),
            {
                "pods": "1",
                "count/pods": "1",
                "cpu": "200m",
                "requests.cpu": "200m",
                "memory": "2Gi",
                "requests.memory": "2Gi",
            },
        ),
        (pod(container(amounts={"cpu": "1"}, side="limits")), {"pods": "1", "count/pods": "1", "limits.cpu": "1"}),
        (
            pod(container(amounts={"cpu": "1"}), init=[container(amounts={"cpu": "3"})]),
            {"pods": "1", "count/pods": "1", "cpu": "3", "requests.cpu": "3"},
        ),
        (
            pod(
                container(amounts={"cpu": "1"}),
                init=[container(amounts={"cpu": "2"}, restartPolicy="Always"), container(amounts={"cpu": "2"})],
            ),
            {"pods": "1", "count/pods": "1", "cpu": "4", "requests.cpu": "4"},
        ),
        (
            pod(container(amounts={"example.com/gpu": "2"})),
            {"pods": "1", "count/pods": "1", "requests.example.com/gpu": "2"},
        ),
        (pod(container(), phase="Failed"), {"count/pods": "1"}),
    ],
)
def test_pods(obj, expected):
    assert shown(quota.usage("", "pods", obj, NOW)) == expected


@pytest.mark.parametrize(
    ("resource", "spec", "expected"),
    [
        (("", "services"), {"ports": [{}]}, {"services": "1", "count/services": "1"}),
        (
            ("", "services"),
            {"type": "NodePort", "ports": [{}, {}]},
            {"services": "1", "services.nodeports": "2", "count/services": "1"},
        ),
        (
            ("", "services"),
            {"type": "LoadBalancer", "ports": [{"nodePort": 1}, {}], "allocateLoadBalancerNodePorts": False},
            {"services": "1", "services.nodeports": "1", "services.loadbalancers": "1", "count/services": "1"},
        ),
        (
            ("", "persistentvolumeclaims"),
            {"resources": {"requests": {"storage": "5Gi"}}, "storageClassName": "gold"},
            {
                "persistentvolumeclaims": "1",
                "count/persistentvolumeclaims": "1",
                "requests.storage": "5Gi",
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
                "gold.storageclass.storage.k8s.io/requests.storage": "5Gi",
            },
        ),
        (("", "configmaps"), {}, {"configmaps": "1", "count/configmaps": "1"}),
        (("apps", "deployments"), {}, {"count/deployments.apps": "1"}),
    ],
)
def test_others(resource, spec, expected):
    assert shown(quota.usage(*resource, {"spec": spec}, NOW)) == expected


def test_tracked():
    names = ("pods", "limits.cpu", "requests.example.com/gpu", "services.nodeports", "count/jobs.batch", "secrets")
    assert quota.tracked(names) == {("", "pods"), ("", "services"), ("batch", "jobs"), ("", "secrets")}
    assert quota.relevant(("pods", "secrets", "count/pods"), "", "pods") == {"pods", "count/pods"}


@pytest.mark.parametrize(
    ("scope", "obj", "expected"),
    [
        ({"scopes": ["BestEffort"]}, pod({"name": "c"}), True),
        ({"scopes": ["BestEffort"]}, pod(container()), False),
        ({"scopes": ["NotBestEffort", "NotTerminating"]}, pod(container()), True),
        ({"scopes": ["Terminating"]}, pod(container(), activeDeadlineSeconds=5), True),
        ({"scopes": ["Terminating"]}, pod(container()), False),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]
                }
            },
            pod(container(), priorityClassName="a"),
            True,
        ),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "NotIn", "values": ["a"]}]
                }
            },
            pod(container(), priorityClassName="a"),
            False,
        ),
    ],
)
def test_scopes(scope, obj, expected):
    assert quota.matches(scope, "", "pods", obj) is expected
    assert quota.matches(scope, "", "services", {}) is False
    assert quota.matches({}, "", "services", {}) is True
