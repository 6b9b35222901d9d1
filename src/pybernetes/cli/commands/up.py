"""Start a cluster in the background, or resume it, and return when everything is Ready.

As root on Linux with containerd the nodes are real: containers, Services and DNS work. Otherwise the nodes are
simulated: everything but containers works. The cluster's context is merged into your kubeconfig.
"""

import argparse
import asyncio
import ipaddress
import socket
import sys

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.cli import flags, launch, selection
from pybernetes.cli.output import progress
from pybernetes.client import kubeconfig
from pybernetes.cluster import config as configs
from pybernetes.cluster import findings, machine, network, nodes, processes, snapshots
from pybernetes.storage import archive, backend

SIMULATED_WITHOUT_ROOT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the cluster shall be. An existing cluster keeps what it was made with."""
    selection.add_arguments(parser)
    parser.add_argument("--kubeconfig", default="", metavar="F", help="merge the context into this file")
    parser.add_argument("--port", type=int, metavar="P", help="the API server's port (default: 6443, or a free one)")
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--nodes", type=int, metavar="N", help="real nodes (default: 1)")
    number.add_argument("--no-node", action="store_true", help="no node: the API server, controllers and scheduler")
    parser.add_argument("--simulated-nodes", type=int, metavar="M", help="nodes without containers (default: 0)")
    parser.add_argument("--storage", choices=configs.STORAGES, help="where objects are kept (default: sqlite)")
    flags.add_etcd(parser)
    parser.add_argument(
        "--from", dest="snapshot", metavar="SNAPSHOT", help="begin with a saved state: [CLUSTER/]NAME or a file"
    )
    parser.add_argument("--pod-range", metavar="CIDR", help="addresses of Pods (default: 10.244.0.0/16 or the next)")
    parser.add_argument(
        "--service-range", metavar="CIDR", help="addresses of Services (default: 10.96.0.0/16 or the next)"
    )
    parser.add_argument(
        "--controller-manager-arg",
        action="append",
        metavar="FLAG",
        help="a flag of kube-controller-manager, as --controller-manager-arg=--node-monitor-grace-period=20s",
    )
    parser.add_argument("--foreground", action="store_true", help="stay, and stop the cluster on Ctrl-C")
    parser.add_argument("--timings", action="store_true", help="print when each part was ready")
    parser.add_argument("-v", "--verbosity", type=int, metavar="V", help="how much is logged (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    """Bring it up."""
    try:
        return asyncio.run(_up(arguments))
    except TimeoutError:
        text, finding = f"not ready after {launch.START_SECONDS:.0f} s; `pybernetes logs` shows why", "process"
    except (findings.Failure, backend.StorageError) as error:
        text, finding = str(error), "snapshot" if isinstance(error, archive.ArchiveError) else processes.cause(error)
    except kubeconfig.KubeconfigError as error:
        text, finding = f"{error}; use --kubeconfig to name another file", "kubeconfig"
    print(findings.told(text, finding), file=sys.stderr)
    return 1


async def _up(arguments: argparse.Namespace) -> int:
    paths, clock = selection.paths(arguments), clocks.RealClock()
    shown = progress.Progress(clock)
    merged = selection.user_kubeconfig(arguments.kubeconfig)
    with network.choosing_ranges():
        config = await _configure(arguments, paths, shown)
        context = selection.context_name(config.name)
        kubeconfig.check_access(merged, context)
        if config.nodes:
            await nodes.host_network(config).install()
    known = processes.Processes(paths, clock)
    launch.credentials(paths, config, clock)
    await launch.start(paths, config, known, shown)
    await launch.follow_simulated(paths, known, config)
    kubeconfig.write_access(merged, launch.access(paths, config, "admin"))
    selection.write_marker(paths, merged)
    shown.done(f"cluster {config.name!r} is ready; context {context!r} is in {merged}")
    if arguments.timings:
        for stage, seconds in shown.timings.items():
            print(f"{seconds:7.3f} s  {stage}")
    _next_steps(config)
    if arguments.foreground:
        await _stay(known, shown)
    return 0


async def _configure(
    arguments: argparse.Namespace, paths: configs.Paths, shown: progress.Progress
) -> configs.ClusterConfig:
    existing = configs.load(paths)
    settings = {
        "port": arguments.port,
        "storage": arguments.storage or ("etcd" if arguments.etcd_servers else None),
        "etcd": flags.distant(arguments),
        "pod_range": arguments.pod_range,
        "service_range": arguments.service_range,
        "verbosity": arguments.verbosity,
        "controller_manager_args": tuple(arguments.controller_manager_arg or ()) or None,
    }
    given = {key: value for key, value in settings.items() if value is not None}
    if existing is not None and given.get("storage", existing.storage) != existing.storage:
        raise configs.ConfigError(
            f"the cluster keeps its objects in {existing.storage}; `pybernetes storage migrate` moves them"
        )
    if existing is not None and given.get("port") == 0:
        del given["port"]  # "any free port" was chosen when the cluster was made
    saved = None
    if arguments.snapshot:
        if existing is not None:
            raise configs.ConfigError(f"--from makes a new cluster, but there is one in {paths.root} already")
        saved = snapshots.load(snapshots.find(arguments.snapshot, paths))
        given = {"storage": "sqlite", "etcd": None, "name": arguments.name, **given}
    base = existing or (saved.config if saved else configs.ClusterConfig(name=arguments.name, nodes=()))
    config = msgspec.structs.replace(base, **given)
    config.check()
    real = arguments.nodes if existing or saved or arguments.nodes is not None else 1
    config = _with_nodes(config, "nodes", 0 if arguments.no_node else real)
    config = _with_nodes(config, "simulated_nodes", arguments.simulated_nodes)
    problem = machine.hindrance()
    if config.nodes and problem:
        config = msgspec.structs.replace(config, nodes=())
        if not config.simulated_nodes:
            config = config.grown("simulated_nodes", SIMULATED_WITHOUT_ROOT)
        simulated = len(config.simulated_nodes)
        shown.note(f"! no real nodes here: {problem}")
        shown.note(f"! starting {simulated} simulated node(s) instead: objects behave, but no container runs")
    if existing is None:
        config = await _choose_free(config, given)
    if saved is not None:
        state = await snapshots.restore(saved, config, paths, clocks.RealClock())
        shown.done(f"begun with {len(state.records)} objects of cluster {saved.config.name!r}")
        return config
    paths.make()
    configs.save(paths, config)
    return config


def _with_nodes(config: configs.ClusterConfig, kind: str, wanted: int | None) -> configs.ClusterConfig:
    """That many nodes of the kind. Raises ConfigError when there are more."""
    there = len(getattr(config, kind))
    if wanted is None or wanted == there:
        return config
    if wanted < 0:
        raise configs.ConfigError("--nodes and --simulated-nodes take numbers from 0")
    if wanted < there:
        raise configs.ConfigError(
            f"the cluster has {there} nodes of that kind; `pybernetes node remove` takes them away"
        )
    return config.grown(kind, wanted - there)


async def _choose_free(config: configs.ClusterConfig, given: dict[str, object]) -> configs.ClusterConfig:
    """Another port and other ranges than the usual ones where those are taken, unless they were asked for."""
    if config.port == 0 or ("port" not in given and not _free(config.port)):
        config = msgspec.structs.replace(config, port=_free_port())
    if not config.nodes:
        return config
    for _ in range(16):
        if not await nodes.host_network(config).conflict():
            break
        moved = {key: _next_range(getattr(config, key)) for key in ("pod_range", "service_range") if key not in given}
        if not moved:
            break
        config = msgspec.structs.replace(config, **moved)
    return config


def _next_range(cidr: str) -> str:
    used = ipaddress.ip_network(cidr)
    return f"{used.broadcast_address + 1}/{used.prefixlen}"


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    """Below those that the kernel gives to outgoing connections: one of them must not have it when `up` resumes."""
    return next(port for port in clocks.RealClock().random.sample(range(20000, 32768), 1000) if _free(port))


def _next_steps(config: configs.ClusterConfig) -> None:
    print("\nnext:")
    print("  kubectl get nodes")
    if config.nodes:
        print("  kubectl apply -f examples/replicaset.yaml")
    name = "" if config.name == configs.DEFAULT_NAME else f" --name {config.name}"
    print(f"  pybernetes status{name}        pybernetes down{name}")


async def _stay(known: processes.Processes, shown: progress.Progress) -> None:
    shown.note("running in the foreground; Ctrl-C stops the cluster")
    try:
        await asyncio.Event().wait()
    finally:
        for state in reversed(known.running()):
            await known.stop(state)
