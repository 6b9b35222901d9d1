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
from pybernetes.aio import tasks
from pybernetes.cli import selection
from pybernetes.cli.output import progress
from pybernetes.client import kubeconfig
from pybernetes.cluster import config as configs
from pybernetes.cluster import network, nodes, pki, processes, runtime, states

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("kubelet", "kube-proxy", "cluster-dns")
SIMULATED_WITHOUT_ROOT = 1
START_SECONDS = 90.0
"""After that something is wrong that nobody reports."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the cluster shall be. An existing cluster keeps what it was made with."""
    selection.add_arguments(parser)
    parser.add_argument("--kubeconfig", default="", metavar="F", help="merge the context into this file")
    parser.add_argument("--port", type=int, metavar="P", help="the API server's port (default: 6443, or a free one)")
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--nodes", type=int, metavar="N", help="real nodes (default: 1)")
    number.add_argument("--no-node", action="store_true", help="no node: the API server, controllers and scheduler")
    parser.add_argument("--simulated-nodes", type=int, metavar="M", help="nodes without containers (default: 0)")
    parser.add_argument("--storage", choices=("sqlite", "memory"), help="where objects are kept (default: sqlite)")
    parser.add_argument("--pod-range", metavar="CIDR", help="addresses of Pods (default: 10.244.0.0/16 or the next)")
    parser.add_argument(
        "--service-range", metavar="CIDR", help="addresses of Services (default: 10.96.0.0/16 or the next)"
    )
    parser.add_argument("--foreground", action="store_true", help="stay, and stop the cluster on Ctrl-C")
    parser.add_argument("--timings", action="store_true", help="print when each part was ready")
    parser.add_argument("-v", "--verbosity", type=int, metavar="V", help="how much is logged (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    """Bring it up."""
    try:
        return asyncio.run(_up(arguments))
    except TimeoutError:
        print(
            f"error: not ready after {START_SECONDS:.0f} s; `pybernetes logs` shows what it waits for", file=sys.stderr
        )
        return 1
    except (configs.ConfigError, network.NetworkError, runtime.RuntimeUnavailable, processes.StartError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except kubeconfig.KubeconfigError as error:
        print(f"error: {error}; use --kubeconfig to name another file", file=sys.stderr)
        return 1


async def _up(arguments: argparse.Namespace) -> int:
    paths, clock = selection.paths(arguments), clocks.RealClock()
    shown = progress.Progress(clock)
    config = await _configure(arguments, paths, shown)
    known = processes.Processes(paths, clock)
    context = selection.context_name(config.name)
    merged = selection.user_kubeconfig(arguments.kubeconfig)
    kubeconfig.check_access(merged, context)
    if config.nodes:
        await nodes.host_network(config).install()
    _credentials(paths, config, clock)
    await _start(paths, config, known, shown)
    kubeconfig.write_access(merged, _access(paths, config, context, "admin"))
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
        "nodes": 0 if arguments.no_node else arguments.nodes,
        "simulated_nodes": arguments.simulated_nodes,
        "storage": arguments.storage,
        "pod_range": arguments.pod_range,
        "service_range": arguments.service_range,
        "verbosity": arguments.verbosity,
    }
    given = {key: value for key, value in settings.items() if value is not None}
    if existing is not None and given.get("port") == 0:
        del given["port"]  # "any free port" was chosen when the cluster was made
    base = existing or configs.ClusterConfig(name=arguments.name)
    config = msgspec.structs.replace(base, **given)
    config.check()
    problem = runtime.missing()
    if config.nodes and problem:
        simulated = config.simulated_nodes or SIMULATED_WITHOUT_ROOT
        shown.note(f"! no real nodes here: {problem}")
        shown.note(f"! starting {simulated} simulated node(s) instead: objects behave, but no container runs")
        config = msgspec.structs.replace(config, nodes=0, simulated_nodes=simulated)
    if existing is None:
        config = await _choose_free(config, given)
    paths.make()
    configs.save(paths, config)
    return config


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _credentials(paths: configs.Paths, config: configs.ClusterConfig, clock: clocks.Clock) -> None:
    """Certificates and kubeconfigs of everything that will run."""
    keys = pki.Pki(paths.pki, clock)
    leaves = pki.component_leaves(config)
    for index in range(1, config.nodes + 1):
        leaves += pki.node_leaves(config.node_name(index), config.node_address(index))
    keys.ensure(leaves)
    users = ["admin", "kube-controller-manager", "kube-scheduler"]
    users += [leaf.name for leaf in leaves if leaf.name.startswith(("kubelet-", "kube-proxy-", "coredns-"))]
    for user in users:
        if not user.startswith("kubelet-serving-"):
            kubeconfig.write_access(
                paths.kubeconfig(user), _access(paths, config, selection.context_name(config.name), user)
            )


def _access(paths: configs.Paths, config: configs.ClusterConfig, context: str, user: str) -> kubeconfig.Access:
    pair = pki.read_pair(paths.pki, user)
    authority = (paths.pki / "ca.crt").read_bytes()
    server = f"https://127.0.0.1:{config.port}"
    return kubeconfig.Access(context, server, authority, cert_pem=pair.certificate, key_pem=pair.key)


async def _start(
    paths: configs.Paths, config: configs.ClusterConfig, known: processes.Processes, shown: progress.Progress
) -> None:
    """Start what does not run yet, side by side: nodes wait for the API server by themselves."""
    running = {state.name for state in known.running()}
    data = ("--data-dir", str(paths.root))
    wanted: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        (states.CONTROL_PLANE, CONTROL_PLANE, ("control-plane", *data))
    ]
    for index in range(1, config.nodes + 1):
        wanted.append((config.node_name(index), NODE, ("node", *data, "--index", str(index))))
    missing = [one for one in wanted if one[0] not in running]

    async def follow(name: str, components: tuple[str, ...], arguments: tuple[str, ...]) -> None:
        async for report in known.start(name, components, *arguments):
            if "stage" in report:
                shown.done(str(report["stage"]))

    shown.waiting("starting " + ", ".join(name for name, _, _ in missing) + " (usually 2 to 5 s)")
    async with tasks.TaskGroup("up") as group:
        # the first that cannot start ends the wait for the others: a node would wait for its API server for ever
        started = [group.start(follow(*one), one[0]) for one in missing]
        for one in started:
            await group.until(asyncio.wait_for(asyncio.shield(one), START_SECONDS), "ready")


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
