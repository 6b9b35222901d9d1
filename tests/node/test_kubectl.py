"""The real kubectl and real containers: what needs both."""

import pathlib
from typing import Any

import pytest

pytestmark = pytest.mark.node

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "box"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "c", "image": "localhost/pybernetes/demo:1", "imagePullPolicy": "IfNotPresent"}],
    },
}


def test_cp_there_and_back(real_cluster: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "folder").mkdir()
    content = bytes(range(256)) * 5000
    (tmp_path / "folder" / "file").write_bytes(content)
    (tmp_path / "folder" / "link").symlink_to("file")
    real_cluster.apply(POD)
    real_cluster.kubectl("wait", "pod/box", "--for=condition=Ready", "--timeout=30s")
    try:
        real_cluster.kubectl("cp", f"{tmp_path}/folder", "box:/tmp/there")
        assert real_cluster.kubectl("exec", "box", "--", "wc", "-c", "/tmp/there/file").split()[0] == str(len(content))
        real_cluster.kubectl("cp", "box:/tmp/there", f"{tmp_path}/back")
        assert (tmp_path / "back" / "file").read_bytes() == content
        assert real_cluster.kubectl("exec", "-i", "box", "--", "cat", stdin="typed") == "typed"
    finally:
        real_cluster.kubectl("delete", "pod", "box")
