"""A real etcd for tests, on loopback: upstream's built one or the system's."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence

VERSION = "v1.37.2"
START_SECONDS = 20.0


def built(name: str) -> pathlib.Path:
    """Where a program of upstream is once it is built."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return cache / "pybernetes" / "upstream" / VERSION / "bin" / name


def program() -> str:
    """Where etcd is; "" if nowhere."""
    return str(built("etcd")) if built("etcd").exists() else shutil.which("etcd") or ""


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclasses.dataclass
class Member:
    """One running member; `kill` is what a power cut does to it."""

    url: str
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def cluster(
    folder: pathlib.Path, size: int = 1, *, urls: Sequence[str] = (), scheme: str = "http", options: Sequence[str] = ()
) -> Iterator[list[Member]]:
    """Run members with their data in `folder`, which may hold that of an earlier run, at those URLs if given."""
    peers = {f"m{index}": f"http://127.0.0.1:{free_port()}" for index in range(size)}
    members, health = [], []
    with contextlib.ExitStack() as stack:
        for index, (name, peer) in enumerate(peers.items()):
            url = urls[index] if urls else f"{scheme}://127.0.0.1:{free_port()}"
            health_url = f"http://127.0.0.1:{free_port()}"
            command = [program(), "--name", name, "--data-dir", str(folder / name), "--log-level", "error"]
            command += ["--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peer]
            command += ["--initial-advertise-peer-urls", peer, "--listen-metrics-urls", health_url, *options]
            command += ["--initial-cluster", ",".join(f"{name}={peer}" for name, peer in peers.items())]
            with (folder / f"{name}.log").open("ab") as log:
                members.append(Member(url, subprocess.Popen(command, stdout=log, stderr=log)))
            stack.callback(members[-1].kill)
            health.append(f"{health_url}/health")
        for member, asked in zip(members, health, strict=True):
            _wait(member.process, asked, folder)
        yield members


def _wait(process: "subprocess.Popen[bytes]", url: str, folder: pathlib.Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            if answer.status == 200:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise RuntimeError(f"etcd does not start: {[log.read_text() for log in folder.glob('*.log')]}")
