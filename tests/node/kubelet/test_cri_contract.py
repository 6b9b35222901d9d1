"""What the kubelet relies on in a container runtime, for the fake and for the real one alike."""

import asyncio
import pathlib
from typing import Any

import pytest

from pybernetes.cluster import images
from pybernetes.kubelet.cri import runtime


@pytest.fixture
def sandbox_config(tmp_path: pathlib.Path) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "attempt": 0},
        "log_directory": str(tmp_path),
        "labels": {runtime.LABEL_POD_UID: "u-1", "app": "web"},
        "annotations": {"note": "x"},
        "linux": {"security_context": {"namespace_options": {"pid": "CONTAINER"}}},
    }


def container_config(*command: str, attempt: int = 0) -> dict[str, Any]:
    return {
        "metadata": {"name": "c", "attempt": attempt},
        "image": {"image": images.DEMO_IMAGE},
        "command": list(command),
        "log_path": "c.log",
        "labels": {runtime.LABEL_POD_UID: "u-1", runtime.LABEL_CONTAINER_NAME: "c"},
        "annotations": {"io.kubernetes.container.hash": "abc"},
        "linux": {"resources": {"cpu_shares": 10}},
    }


async def test_life_of_a_pod(cri: runtime.Runtime, sandbox_config: dict[str, Any], prefix: str) -> None:
    sandbox = await cri.run_pod_sandbox(sandbox_config)
    info = await cri.pod_sandbox_status(sandbox)
    assert (info.name, info.namespace, info.uid, info.attempt) == ("web", "shop", "u-1", 0)
    assert info.state is runtime.SandboxState.READY
    assert len(info.ips) == 1
    assert info.ips[0].startswith(prefix)
    assert not info.host_network
    assert info.labels["app"] == "web"
    assert info.annotations["note"] == "x"
    assert [one.id for one in await cri.list_pod_sandboxes("u-1")] == [sandbox]
    assert await cri.list_pod_sandboxes("u-other") == []

    container = await cri.create_container(sandbox, container_config(), sandbox_config)
    assert (await cri.container_status(container)).state is runtime.ContainerState.CREATED
    await cri.start_container(container)
    status = await cri.container_status(container)
    assert status.state is runtime.ContainerState.RUNNING
    assert status.started_at >= status.created_at > 0
    assert status.annotations["io.kubernetes.container.hash"] == "abc"
    assert status.image == images.DEMO_IMAGE
    assert status.image_ref
    listed = (await cri.list_containers("u-1"))[0]
    assert (listed.id, listed.sandbox_id, listed.name, listed.pod_uid) == (container, sandbox, "c", "u-1")

    while (await cri.exec_sync(container, ["test", "-e", "/tmp/www/index.html"], 5)).exit_code:
        pass  # before that it does not listen to signals
    await cri.stop_container(container, 5)
    status = await cri.container_status(container)
    assert status.state is runtime.ContainerState.EXITED
    assert (status.exit_code, status.reason) == (0, "Completed")
    assert status.finished_at >= status.started_at

    await cri.stop_pod_sandbox(sandbox)
    assert (await cri.pod_sandbox_status(sandbox)).state is runtime.SandboxState.NOT_READY
    await cri.remove_pod_sandbox(sandbox)
    assert await cri.list_containers("u-1") == []
    with pytest.raises(runtime.NotFoundError):
        await cri.pod_sandbox_status(sandbox)


async def test_what_is_unknown_or_done_can_be_stopped_and_removed(
    cri: runtime.Runtime, sandbox_config: dict[str, Any]
) -> None:
    sandbox = await cri.run_pod_sandbox(sandbox_config)
    for _ in range(2):
        await cri.stop_pod_sandbox(sandbox)
    for _ in range(2):
        await cri.remove_pod_sandbox(sandbox)
    await cri.stop_container("0" * 64, 1)
    await cri.remove_container("0" * 64)
    with pytest.raises(runtime.NotFoundError) as failure:
        await cri.container_status("0" * 64)
    assert str(failure.value).startswith("rpc error: code = NotFound desc = ")


async def test_events_tell_of_exits(cri: runtime.Runtime, sandbox_config: dict[str, Any]) -> None:
    seen: list[runtime.Event] = []
    woken = asyncio.Event()

    async def listen() -> None:
        async for event in cri.events():
            seen.append(event)
            woken.set()

    async def until(kind: runtime.EventKind, identity: str) -> None:
        while not any(one.kind is kind and one.container_id == identity for one in seen):
            woken.clear()
            await asyncio.wait_for(woken.wait(), 10)

    listener = asyncio.ensure_future(listen())
    try:
        await asyncio.wait_for(_until_listening(cri, sandbox_config, seen, woken), 10)
        sandbox = await cri.run_pod_sandbox(
            {**sandbox_config, "metadata": {**sandbox_config["metadata"], "attempt": 1}}
        )
        container = await cri.create_container(sandbox, container_config(), sandbox_config)
        await cri.start_container(container)
        await cri.stop_container(container, 5)
        await until(runtime.EventKind.STOPPED, container)
        await cri.stop_pod_sandbox(sandbox)
        await until(runtime.EventKind.STOPPED, sandbox)
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _until_listening(
    cri: runtime.Runtime, sandbox_config: dict[str, Any], seen: list[runtime.Event], woken: asyncio.Event
) -> None:
    """A subscription needs a moment: start pods until one is heard of."""
    attempt = 10
    while not seen:
        attempt += 1
        metadata = {**sandbox_config["metadata"], "attempt": attempt}
        sandbox = await cri.run_pod_sandbox({**sandbox_config, "metadata": metadata})
        await cri.stop_pod_sandbox(sandbox)
        await cri.remove_pod_sandbox(sandbox)


async def test_images_are_found_by_name_and_id(cri: runtime.Runtime) -> None:
    found = await cri.image_status(images.DEMO_IMAGE)
    assert found is not None
    assert images.DEMO_IMAGE in found.repo_tags
    assert found.size > 0
    by_id = await cri.image_status(found.id)
    assert by_id is not None
    assert by_id.id == found.id
    assert await cri.image_status("localhost/none:1") is None
    assert {found.id} <= {one.id for one in await cri.list_images()}


async def test_host_network_has_no_address_of_its_own(cri: runtime.Runtime, sandbox_config: dict[str, Any]) -> None:
    sandbox_config["linux"]["security_context"]["namespace_options"]["network"] = "NODE"
    sandbox = await cri.run_pod_sandbox(sandbox_config)
    info = await cri.pod_sandbox_status(sandbox)
    assert info.host_network
    assert info.ips == ()


async def test_names_itself(cri: runtime.Runtime) -> None:
    version = await cri.version()
    assert version.runtime_name
    assert version.runtime_api_version == "v1"
    assert {one.type: one.status for one in await cri.status()} == {"RuntimeReady": True, "NetworkReady": True}


@pytest.mark.node
async def test_commands_run_inside(real: runtime.Runtime, sandbox_config: dict[str, Any]) -> None:
    sandbox = await real.run_pod_sandbox({**sandbox_config, "hostname": "web"})
    container = await real.create_container(sandbox, container_config(), sandbox_config)
    await real.start_container(container)
    assert await real.exec_sync(container, ["hostname"], 5) == runtime.ExecResult(0, b"web\n", b"")
    assert (await real.exec_sync(container, ["sh", "-c", "exit 4"], 5)).exit_code == 4
    with pytest.raises(runtime.ExecTimeoutError):
        await real.exec_sync(container, ["sleep", "10"], 1)


@pytest.mark.node
async def test_a_program_that_cannot_start(real: runtime.Runtime, sandbox_config: dict[str, Any]) -> None:
    sandbox = await real.run_pod_sandbox(sandbox_config)
    container = await real.create_container(sandbox, container_config("/none"), sandbox_config)
    with pytest.raises(runtime.CriError, match="no such file or directory"):
        await real.start_container(container)
