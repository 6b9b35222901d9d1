"""Clusters whose processes can be killed and started again: by `pybernetes up`, or each component by itself."""

import asyncio
import contextlib
import os
import pathlib
import random
import select
import signal
import socket
import sys
from typing import Protocol

from tests import etcd

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.cluster import config as configs
from pybernetes.cluster import pki, states

ROOT = pathlib.Path(__file__).parents[2]
ALL = "all"


class Place(Protocol):
    """One cluster."""

    database: pathlib.Path
    kubeconfig: pathlib.Path

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be killed by itself."""

    async def resume(self) -> None:
        """Start what does not run."""

    def kill(self, part: str) -> None:
        """SIGKILL, at once, to that part or to ALL."""

    def ended(self) -> list[str]:
        """Those that ended by themselves."""

    async def stop(self) -> None:
        """End everything and leave nothing."""


def client(place: Place) -> rest.Client:
    """The administrator's."""
    clock = clocks.RealClock()
    return rest.Client(
        transport.HttpTransport(kubeconfig.load(str(place.kubeconfig)).credentials(), clock), clock=clock
    )


class Up:
    """A cluster of `pybernetes up`, with simulated nodes in the control plane's process or with a real node."""

    def __init__(self, folder: pathlib.Path, name: str, nodes: int) -> None:
        self._paths = configs.Paths(folder / "data")
        self.database = self._paths.database
        self.kubeconfig = folder / "kubeconfig"
        self._flags = ("--name", name, "--data-dir", str(self._paths.root))
        kind = ("--nodes", str(nodes)) if nodes else ("--no-node", "--simulated-nodes", "2")
        self._up = ("--kubeconfig", str(self.kubeconfig), "--port", "0", *kind)

    def _pids(self) -> dict[str, int]:
        found = {state.name: state.pid for state in states.Running(self._paths).running()}
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                program, *arguments = entry.read_text().split("\0")
                if program == "containerd" and any(str(self._paths.root) in one for one in arguments):
                    found["containerd"] = int(entry.parent.name)
        return found

    @property
    def parts(self) -> tuple[str, ...]:
        """Its processes."""
        return tuple(self._pids())

    def ended(self) -> list[str]:
        """`up` takes care of them."""
        return []

    async def run(self, command: str, *flags: str) -> str:
        """One `pybernetes` command; what it said if it failed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pybernetes", *command.split(), *self._flags, *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return "" if process.returncode == 0 else said.decode()

    async def up(self) -> str:
        """`up`; what it said if it failed."""
        return await self.run("up", *self._up)

    async def resume(self) -> None:
        """`up`; once more if a kill came in between."""
        if await self.up() and (said := await self.up()):
            raise RuntimeError(said)

    def kill(self, part: str) -> None:
        """Kill them; what holds a lock or a port gives it up before this returns."""
        _kill([pid for name, pid in self._pids().items() if part in (name, ALL)])

    async def check(self) -> str:
        """What `storage check` complains of."""
        return await self.run("storage check")

    async def stop(self) -> None:
        """`down --delete`."""
        if said := await self.run("down", "--delete"):
            raise RuntimeError(said)


class Components:
    """kube-apiserver, kube-controller-manager, kube-scheduler and two simulated nodes, a process each; maybe etcd."""

    def __init__(self, folder: pathlib.Path, *, with_etcd: bool = False) -> None:
        self.database = folder / "data" / "store.db"
        self.kubeconfig = folder / "admin.conf"
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}
        ports = _free_ports(5)
        self._etcd_port = ports[3] if with_etcd else 0
        store = (f"--etcd-servers=http://127.0.0.1:{ports[3]}",) if with_etcd else ()
        self._credentials(ports[0])
        local = "--bind-address=127.0.0.1"
        programs: dict[str, tuple[str, ...]] = {
            "kube-apiserver": (
                *("pybernetes", "kube-apiserver", "--data-dir=data", local, f"--secure-port={ports[0]}", *store),
                *("--tls-cert-file=apiserver.crt", "--tls-private-key-file=apiserver.key", "--client-ca-file=ca.crt"),
                *("--service-account-issuer=https://kubernetes.default", "--service-account-signing-key-file=sa.key"),
            ),
            "kube-controller-manager": (
                *("pybernetes", "kube-controller-manager", "--kubeconfig=kube-controller-manager.conf", local),
                *(f"--secure-port={ports[1]}", "--leader-elect=false", "--use-service-account-credentials"),
                *("--root-ca-file=ca.crt", "-v=2"),
            ),
            "kube-scheduler": (
                *("pybernetes", "kube-scheduler", "--kubeconfig=kube-scheduler.conf", local),
                *(f"--secure-port={ports[2]}", "--leader-elect=false"),
            ),
            **{
                f"n{index}": ("tests.crash.node", str(folder / f"kubelet-n{index}.conf"), f"n{index}", str(index))
                for index in (1, 2)
            },
        }
        self._commands = {name: (sys.executable, "-m", *command) for name, command in programs.items()}
        if with_etcd:
            self._commands = {"etcd": _etcd(*ports[3:]), **self._commands}

    def _credentials(self, port: int) -> None:
        keys = pki.Pki(self._folder, clocks.RealClock())
        leaves = pki.component_leaves(configs.ClusterConfig(port=port, nodes=0))
        for name in ("n1", "n2"):
            leaves += pki.node_leaves(name, "127.0.0.1")[:1]
        keys.ensure(leaves)
        for user in (leaf.name for leaf in leaves):
            pair = keys.pair(user)
            access = kubeconfig.Access(
                user,
                f"https://127.0.0.1:{port}",
                keys.authority().certificate,
                cert_pem=pair.certificate,
                key_pem=pair.key,
            )
            kubeconfig.write_access(self._folder / f"{user}.conf", access)

    @property
    def parts(self) -> tuple[str, ...]:
        """The components."""
        return tuple(self._commands)

    async def resume(self) -> None:
        """Start each that does not run, at once but for etcd: a kube-apiserver gives up when it finds none."""
        for name, command in self._commands.items():
            if name in self._running:
                continue
            with (self._folder / f"{name}.log").open("ab") as log:
                self._running[name] = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
                )
            if name == "etcd":
                await self._answers(self._etcd_port)

    @staticmethod
    async def _answers(port: int) -> None:
        clock = clocks.RealClock()
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await clock.sleep(0.05)

    def ended(self) -> list[str]:
        """Those that ended by themselves."""
        return [name for name, process in self._running.items() if process.returncode is not None]

    def kill(self, part: str) -> None:
        """Kill our children."""
        doomed = [self._running.pop(name, None) for name in (self.parts if part == ALL else (part,))]
        _kill([process.pid for process in doomed if process is not None and process.returncode is None])

    async def stop(self) -> None:
        """Kill what is left; the folder is the caller's."""
        left = list(self._running.values())
        self.kill(ALL)
        for process in left:
            await process.wait()


def _kill(pids: list[int]) -> None:
    found = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            found.append(os.pidfd_open(pid))
            os.kill(pid, signal.SIGKILL)
    for process in found:
        select.select([process], [], [])
        os.close(process)


def _etcd(port: int, peer_port: int) -> tuple[str, ...]:
    url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return (
        *(etcd.program(), "--name=only", "--data-dir=etcd", "--log-level=error", f"--initial-cluster=only={peer}"),
        *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
        *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
    )


def _free_ports(count: int) -> list[int]:
    """Below those of outgoing connections: while a server is down nothing else must take its port."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20000, 32768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] * (port not in found)
    return found
