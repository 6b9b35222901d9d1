import pathlib
import signal
import subprocess
import sys

from pybernetes.aio import clock as clocks
from pybernetes.cluster import runtime

PROGRAM = "import sys; print('runs', flush=True); sys.stdin.read()"


async def test_ends_the_shims_that_containerd_forgot(tmp_path: pathlib.Path) -> None:
    def shim(node: str) -> subprocess.Popen[bytes]:
        socket = str(tmp_path / node / "containerd.sock")
        command = [sys.executable, "-c", PROGRAM, "-id", "1", "-address", socket]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    ours, anothers = shim("1"), shim("11")
    config = runtime.RuntimeConfig(tmp_path / "files", tmp_path / "1", "10.0.0.0/24", "bridge", "pause")
    await runtime.Containerd(config, clocks.RealClock()).stop()
    with ours, anothers:
        assert ours.wait() == -signal.SIGKILL
        assert anothers.poll() is None
        anothers.communicate()
