"""Pods and runtime statuses, made with little typing."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import actions, runtime_status
from pybernetes.kubelet.cri import runtime

MakePod = Callable[..., core.Pod]
MakeStatus = Callable[..., runtime_status.PodStatus]


def _pod(**spec: Any) -> core.Pod:
    metadata = spec.pop("metadata", {})
    status = spec.pop("status", {})
    spec.setdefault("containers", [{"name": "c", "image": "img"}])
    spec.setdefault("restartPolicy", "Always")
    return msgspec.convert(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "generation": 1, **metadata},
            "spec": spec,
            "status": status,
        },
        core.Pod,
    )


def _container(name: str, state: str, number: int, **more: Any) -> runtime.ContainerStatus:
    exit_code = more.pop("exit_code", 0)
    image = more.pop("image", "img")
    spec = core.Container(name=name, image=image)
    kind = runtime.ContainerState(state)
    ended = kind is runtime.ContainerState.EXITED
    return runtime.ContainerStatus(
        id=f"id-{number}",
        name=name,
        attempt=more.pop("attempt", 0),
        state=kind,
        created_at=number * 10**9,
        started_at=0 if kind is runtime.ContainerState.CREATED else number * 10**9,
        finished_at=(number + 1) * 10**9 if ended else 0,
        exit_code=exit_code,
        reason=more.pop("reason", ("Completed" if exit_code == 0 else "Error") if ended else ""),
        image=image,
        image_ref="sha256:img",
        annotations={actions.HASH_ANNOTATION: actions.container_hash(spec)},
        **more,
    )


def _status(
    *containers: tuple[Any, ...], sandbox: str = "ready", ips: tuple[str, ...] = ("10.0.0.5",), attempt: int = 0
) -> runtime_status.PodStatus:
    """Containers are (name, state, {more}); later ones are newer."""
    statuses = [
        _container(one[0], one[1], number, **(one[2] if len(one) > 2 else {}))
        for number, one in enumerate(containers, start=1)
    ]
    sandboxes = []
    if sandbox != "none":
        state = runtime.SandboxState.READY if sandbox == "ready" else runtime.SandboxState.NOT_READY
        sandboxes.append(runtime.Sandbox("s-1", "web", "shop", "u-1", attempt, state, 1, ips))
    return runtime_status.build("u-1", sandboxes, statuses, {one.id: "s-1" for one in statuses})


@pytest.fixture
def make_pod() -> MakePod:
    return _pod


@pytest.fixture
def make_status() -> MakeStatus:
    return _status
