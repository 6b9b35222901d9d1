import pathlib

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import log_rotation
from pybernetes.kubelet.cri import runtime


class Runtime:
    """Opens logs anew, as told."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.fails = False

    async def reopen_container_log(self, container_id: str) -> None:
        if self.fails:
            raise runtime.CriError("no")
        self.path.touch()


def settings(size: int, files: int) -> configs.KubeletConfig:
    return configs.KubeletConfig("n", container_log_max_size=size, container_log_max_files=files)


async def test_large_logs_are_put_aside_and_the_oldest_go(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "0.log"
    clock = clocks.VirtualClock()
    cri = Runtime(path)
    rotation = log_rotation.LogRotation(cri, clock, list, settings(10, 4))  # type: ignore[arg-type]
    container = runtime.ContainerStatus("id", "c", 0, runtime.ContainerState.RUNNING, log_path=str(path))
    path.write_text("small")
    assert not await rotation.look_at(container)
    for number in range(5):
        path.write_text(f"{number}" * 20)
        assert await rotation.look_at(container)
        await clock.advance(1)
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == [
        "0.log",
        "0.log.20260101-000002.gz",
        "0.log.20260101-000003.gz",
        "0.log.20260101-000004",
    ]
    assert (tmp_path / "0.log.20260101-000004").read_text() == "4" * 20
    assert path.read_text() == ""

    cri.fails = True
    path.write_text("x" * 20)
    with pytest.raises(runtime.CriError):
        await rotation.look_at(container)
    assert path.read_text() == "x" * 20
