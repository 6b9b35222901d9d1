"""A container runtime for one node: a private containerd with its own root, state, socket and CNI configuration.

It is started when nothing answers on the node's socket, in a session of its own: containers outlive the kubelet, and
containerd's shims outlive containerd. `stop` ends it and everything it runs.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
from collections.abc import Callable, Iterator

from pybernetes.aio import clock as clocks
from pybernetes.cluster import findings, machine
from pybernetes.telemetry import logs

logger = logs.get("containerd")

START_SECONDS = 20.0
STOP_SECONDS = 10.0


class RuntimeUnavailable(findings.Failure):
    """No container runtime can be had; the text names what is missing and the fix."""

    finding = "runtime"


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Where a node's containerd keeps its things, and the network it gives to Pods."""

    directory: pathlib.Path
    state: pathlib.Path
    pod_range: str
    bridge: str
    pause_image: str

    @property
    def socket(self) -> pathlib.Path:
        """The CRI endpoint (a unix socket path must stay below 108 characters)."""
        return self.state / "containerd.sock"


def containerd_config(
    config: RuntimeConfig, plugins: pathlib.Path, *, restrict_oom_score: bool, crun: str = "crun"
) -> str:
    """The configuration file (version 2: understood by containerd 1.6 and 2.x). Pure."""
    runtimes = "".join(
        f"""
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
        BinaryName = "{program}"
        Root = "{config.state}/{name}"
        SystemdCgroup = false
"""
        for name, program in (("runc", "runc"), ("crun", crun))
    )
    return f"""version = 2
root = "{config.directory}/root"
state = "{config.state}"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{config.socket}"

[ttrpc]
  address = ""

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{config.pause_image}"
  restrict_oom_score_adj = {str(restrict_oom_score).lower()}
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{config.directory}/cni"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{config.directory}/certs.d:/etc/containerd/certs.d"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    snapshotter = "overlayfs"
{runtimes}"""


def network_config(config: RuntimeConfig) -> dict[str, object]:
    """The CNI configuration list: a bridge per node, addresses from the node's range, host ports. Pure.

    The outside is the machine's business (`network.HostNetwork`): masquerading here would hide Pods from each other.
    """
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": config.pod_range}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": f"{config.directory}/addresses",
    }
    bridge = {
        "type": "bridge",
        "bridge": config.bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "promiscMode": False,
        "ipam": ipam,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "0.4.0", "name": "pybernetes", "plugins": [bridge, ports]}


def crun_program(directory: pathlib.Path) -> str:
    """How crun is called: it refuses machines with cgroup v1 on which v2 has a controller, so there v2 is hidden."""
    controllers = pathlib.Path("/sys/fs/cgroup/unified/cgroup.controllers")
    if not controllers.exists() or not controllers.read_text().strip():
        return "crun"
    hidden = f'umount --lazy {controllers.parent} && exec crun "$@"'
    script = directory / "crun"
    script.write_text(f"#!/bin/sh\nexec unshare --mount --propagation slave sh -c '{hidden}' crun \"$@\"\n")
    script.chmod(0o755)
    return str(script)


class Containerd:
    """The private containerd of one node."""

    def __init__(self, config: RuntimeConfig, clock: clocks.Clock) -> None:
        self.config = config
        self._clock = clock
        self._config_file = config.directory / "config.toml"

    async def start(self) -> None:
        """Return when it answers; one that runs already is used as it is. Raises RuntimeUnavailable."""
        if self.pid() is not None:
            await self._wait_until_it_answers(lambda: self.pid() is None)
            return
        plugins, problem = machine.plugin_directory(), next(machine.lacks(machine.look()), None)
        if problem or plugins is None:
            raise RuntimeUnavailable(machine.hindrance(), problem.finding if problem else "cni-plugins")
        for path in (self.config.directory / "root", self.config.directory / "cni", self.config.state):
            path.mkdir(parents=True, exist_ok=True)
        text = containerd_config(
            self.config,
            plugins,
            restrict_oom_score=not machine.may_lower_oom_score(),
            crun=crun_program(self.config.directory),
        )
        self._config_file.write_text(text)
        network = json.dumps(network_config(self.config), indent=2)
        (self.config.directory / "cni" / "10-pybernetes.conflist").write_text(network)
        with (self.config.directory / "containerd.log").open("ab") as log:
            process = subprocess.Popen(
                ["containerd", "--config", str(self._config_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # its command line need not be in /proc yet
        await self._wait_until_it_answers(lambda: process.poll() is not None)

    async def keep(self) -> None:
        """Start it again whenever it ends."""
        while True:
            if (pid := self.pid()) is not None:
                await _end_of(pid)
            logger.warning("containerd ended, starting it again")
            await self.start()

    async def _wait_until_it_answers(self, ended: Callable[[], bool]) -> None:
        # There is no event for "a process that is not ours listens now": look again at growing intervals.
        deadline, delay = self._clock.monotonic() + START_SECONDS, 0.01
        while not await self._answers():
            if ended() or self._clock.monotonic() > deadline:
                log = self.config.directory / "containerd.log"
                raise RuntimeUnavailable(f"containerd does not start; its log is {log}")
            await self._clock.sleep(delay)
            delay = min(0.1, delay * 1.5)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(self.config.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        writer.close()
        return True

    def pid(self) -> int | None:
        """The process that runs, if one does."""
        # Not from a file of ours: whoever started it may have been killed before it was written.
        return next(_called_with("--config", self._config_file), None)

    async def stop(self) -> None:
        """End containerd and what is left of its shims; call after the node's containers were stopped."""
        if (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGTERM)
        deadline = self._clock.monotonic() + STOP_SECONDS
        while pid is not None and self.pid() is not None:
            if self._clock.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            await self._clock.sleep(0.05)
        # containerd forgets the shim of a container whose start failed or was cut, and the shim waits for ever
        for shim in _called_with("-address", self.config.socket):
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim, signal.SIGKILL)


def _called_with(flag: str, value: pathlib.Path) -> Iterator[int]:
    wanted = f"\0{flag}\0{value}\0".encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if wanted in entry.read_bytes():
                yield int(entry.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue


async def _end_of(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(process, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)
