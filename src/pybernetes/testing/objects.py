"""Small builders of objects for tests: what must be there is, anything else is given by name. Pure.

objects.deployment("web", replicas=3, image="demo")
objects.pod("a", node="simulated-1", labels={"app": "a"})
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.apimachinery import meta

Object = dict[str, Any]
IMAGE = "localhost/demo:1"


def metadata(name: str, namespace: str = "default", labels: Mapping[str, str] | None = None, **more: Any) -> Object:
    """An object's metadata; `namespace` "" for kinds without one."""
    facts: Object = {"name": name}
    if namespace:
        facts["namespace"] = namespace
    if labels:
        facts["labels"] = dict(labels)
    return facts | more


def container(name: str = "main", image: str = IMAGE, **more: Any) -> Object:
    """A container."""
    return {"name": name, "image": image, **more}


def pod_spec(image: str = IMAGE, **more: Any) -> Object:
    """A Pod's spec: one container, unless `containers` is given."""
    return {"containers": [container(image=image)], **more}


def pod(
    name: str,
    namespace: str = "default",
    *,
    node: str = "",
    image: str = IMAGE,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A Pod; with `node` it is bound already."""
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, namespace, labels),
        "spec": pod_spec(image, **spec),
    }


def _workload(kind: str, name: str, namespace: str, replicas: int, template: Object, **spec: Any) -> Object:
    labels = {"app": name}
    pods = {"metadata": {"labels": labels}, "spec": pod_spec(**template)}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(name, namespace, labels),
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pods, **spec},
    }


def replica_set(name: str, namespace: str = "default", *, replicas: int = 1, **template: Any) -> Object:
    """A ReplicaSet of Pods labelled `app: NAME`; what else is given goes into their spec."""
    return _workload("ReplicaSet", name, namespace, replicas, template)


def deployment(
    name: str,
    namespace: str = "default",
    *,
    replicas: int = 1,
    strategy: Mapping[str, Any] | None = None,
    **template: Any,
) -> Object:
    """A Deployment of Pods labelled `app: NAME`; what else is given goes into their spec."""
    chosen = {"strategy": dict(strategy)} if strategy is not None else {}
    return _workload("Deployment", name, namespace, replicas, template, **chosen)


def service(name: str, namespace: str = "default", *, port: int = 80, target: int | str = 8080, **spec: Any) -> Object:
    """A Service in front of the Pods labelled `app: NAME`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace),
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}], **spec},
    }


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A Node that says it is ready."""
    amounts = {"cpu": cpu, "memory": memory, "pods": pods}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata(name, "", {"kubernetes.io/hostname": name, **(labels or {})}),
        "spec": spec,
        "status": {
            "capacity": amounts,
            "allocatable": dict(amounts),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def is_ready(obj: Object) -> bool:
    """Whether the object's condition Ready is true."""
    return meta.condition_is(obj, "Ready")
