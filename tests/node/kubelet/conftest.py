"""A private containerd for this folder: own root, socket, bridge and address range; all of it is gone afterwards."""

import asyncio
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.node.kubelet.real_node import node as node

from pybernetes.aio import clock as clocks
from pybernetes.cluster import images, machine
from pybernetes.cluster import runtime as engines
from pybernetes.kubelet.cri import client, runtime, simulated
from pybernetes.kubelet.cri import images as cri_images

# Not of a range that clusters choose, and unlike that of another run beside this one.
PREFIX = f"10.{150 + os.getpid() % 49}.{os.getpid() // 49 % 256}."
SUBNET, BRIDGE = f"{PREFIX}0/24", f"pybt{os.getpid()}"
CNI = """{"cniVersion":"1.0.0","name":"pybtest","plugins":[{"type":"bridge","bridge":"%s","isGateway":true,
"ipam":{"type":"host-local","dataDir":"%s","ranges":[[{"subnet":"%s"}]]}}]}"""


def _can_run() -> bool:
    return os.geteuid() == 0 and shutil.which("containerd") is not None and pathlib.Path("/usr/lib/cni/bridge").exists()


@pytest.fixture(scope="session")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a private containerd that has the pause and demo images."""
    if not _can_run():
        pytest.skip("needs root, containerd and the CNI plugins")
    root = tmp_path_factory.mktemp("containerd")
    (root / "cni").mkdir()
    (root / "cni" / "10-test.conflist").write_text(CNI % (BRIDGE, root / "ipam", SUBNET))
    place = engines.RuntimeConfig(root, root / "state", SUBNET, BRIDGE, images.PAUSE_IMAGE)
    lowers = machine.may_lower_oom_score()
    plugins = pathlib.Path("/usr/lib/cni")
    crun = engines.crun_program(root)
    text = engines.containerd_config(place, plugins, restrict_oom_score=not lowers, crun=crun)
    (root / "config.toml").write_text(text)
    # Traffic for addresses that nobody has must not leave the machine.
    subprocess.run(["ip", "route", "replace", "unreachable", SUBNET, "metric", "4294967295"], check=True)
    log = (root / "log").open("w")
    process = subprocess.Popen(["containerd", "-c", str(root / "config.toml")], stdout=log, stderr=log)
    try:
        asyncio.run(_prepare(root, place.socket))
        yield f"unix://{place.socket}"
    finally:
        with contextlib.suppress(runtime.CriError):
            asyncio.run(_remove_everything(place.socket))
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        log.close()
        for point in _mounts_below(root):
            subprocess.run(["umount", "-l", point], check=False)
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False, capture_output=True)
        subprocess.run(["ip", "route", "delete", "unreachable", SUBNET, "metric", "4294967295"], check=False)


def _mounts_below(root: pathlib.Path) -> list[str]:
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted((line.split()[4] for line in lines if line.split()[4].startswith(f"{root}/")), reverse=True)


async def _prepare(root: pathlib.Path, socket: pathlib.Path) -> None:
    clock = clocks.RealClock()
    cri = client.CriClient(f"unix://{socket}")
    for _ in range(200):
        with contextlib.suppress(runtime.CriError):
            await cri.version()
            break
        await clock.sleep(0.05)
    archive = root / "images.tar"
    images.write(archive, [images.pause_image(), images.demo_image()])
    await cri_images.import_archive(archive, str(socket))
    await cri.close()


async def _remove_everything(socket: pathlib.Path) -> None:
    cri = client.CriClient(f"unix://{socket}")
    for sandbox in await cri.list_pod_sandboxes():
        await cri.stop_pod_sandbox(sandbox.id)
        await cri.remove_pod_sandbox(sandbox.id)
    await cri.close()


@pytest.fixture
def prefix() -> str:
    """How the addresses of pods begin."""
    return PREFIX


@pytest.fixture
async def real(containerd: str) -> AsyncIterator[client.CriClient]:
    """A client of the private containerd; whatever a test left running is removed."""
    cri = client.CriClient(containerd)
    yield cri
    for sandbox in await cri.list_pod_sandboxes():
        await cri.stop_pod_sandbox(sandbox.id)
        await cri.remove_pod_sandbox(sandbox.id)
    await cri.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.node)])
def cri(request: pytest.FixtureRequest) -> runtime.Runtime:
    """Each implementation of the protocol in turn."""
    if request.param == "real":
        found: runtime.Runtime = request.getfixturevalue("real")
        return found
    fake = simulated.FakeRuntime(clocks.RealClock(), pod_cidr=SUBNET)
    for name in (images.PAUSE_IMAGE, images.DEMO_IMAGE):
        fake.add_image(runtime.Image(id=f"sha256:{name}", repo_tags=(name,), size=1))
    return fake
