"""The real kubectl and other clients, with real containers."""

import base64
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.client import credentials, kubeconfig
from pybernetes.http import client as http_client
from pybernetes.http import websocket

pytestmark = pytest.mark.node

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "box"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "c",
                "image": "localhost/pybernetes/demo:1",
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", "echo said; exec cat"],
                "stdin": True,
            }
        ],
    },
}


@pytest.fixture(scope="module")
def box(real_cluster: Any) -> Iterator[Any]:
    """The cluster with that pod in it."""
    real_cluster.apply(POD)
    real_cluster.kubectl("wait", "pod/box", "--for=condition=Ready", "--timeout=30s")
    yield real_cluster
    real_cluster.kubectl("delete", "pod", "box")


def test_cp_there_and_back(box: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "folder").mkdir()
    content = bytes(range(256)) * 5000
    (tmp_path / "folder" / "file").write_bytes(content)
    (tmp_path / "folder" / "link").symlink_to("file")
    box.kubectl("cp", f"{tmp_path}/folder", "box:/tmp/there")
    assert box.kubectl("exec", "box", "--", "wc", "-c", "/tmp/there/file").split()[0] == str(len(content))
    box.kubectl("cp", "box:/tmp/there", f"{tmp_path}/back")
    assert (tmp_path / "back" / "file").read_bytes() == content
    assert box.kubectl("exec", "-i", "box", "--", "cat", stdin="typed") == "typed"


@pytest.mark.parametrize(
    ("path", "protocol", "expected"),
    [
        ("log", "binary.k8s.io", b"said\n"),
        ("log", "base64.binary.k8s.io", base64.b64encode(b"said\n")),
        ("exec?command=echo&command=hi&stdout=1&stderr=1", "channel.k8s.io", b"\x01hi\n"),
        ("exec?command=echo&command=hi&stdout=1&stderr=1", "v5.channel.k8s.io", b"\x01hi\n"),
        ("attach?stdout=1&stderr=1&stdin=1", "v4.channel.k8s.io", b"\x01heard\n"),
    ],
)
async def test_old_websockets(box: Any, path: str, protocol: str, expected: bytes) -> None:
    clock = clocks.RealClock()
    caller = kubeconfig.load(str(box.kubeconfig)).credentials()
    identity = credentials.Identity(caller, clock)
    http = http_client.HttpClient(identity.context, clock=clock)
    url = f"{caller.server}/api/v1/namespaces/default/pods/box/{path}"
    socket = await websocket.connect(http, url, [*identity.headers().items()], [protocol], clock=clock)
    if path.startswith("attach"):
        await socket.send(b"\x00heard\n")
    found = b""
    while not found.startswith(expected) and (message := await socket.receive()) is not None:
        found = message.data
    assert found.startswith(expected)
    await socket.close()
    await http.close()
