"""Real packets through real rules, inside network namespaces that lead nowhere else.

    client (192.0.2.2) --- node (192.0.2.1; bridge 10.251.1.1) --- pods a (10.251.1.2), b (10.251.1.3)

The namespaces are linked to each other only: no packet can reach the machine's own network. Each of them answers on
TCP 8080, 8081 and UDP 5353 with its name and the address it was asked from. Bridged packets pass the rules, as on a
real node.
"""

import asyncio
import collections
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.proxy import apply, nftables, proxier, ruleset
from pybernetes.testing import cluster as clusters

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("nft")), reason="needs root, ip and nft"
    ),
]
TABLE = "pybtest"
NODE, CLIENT, A, B = (f"pybt-{name}-{os.getpid()}" for name in ("node", "client", "a", "b"))
NODE_ADDRESS, CLIENT_ADDRESS, A_ADDRESS, B_ADDRESS = "192.0.2.1", "192.0.2.2", "10.251.1.2", "10.251.1.3"
VIP = "10.252.0.20"
SETTINGS = nftables.TableSettings(
    TABLE,
    cluster_cidr="10.251.0.0/16",
    node_addresses=(NODE_ADDRESS,),
    node_port_addresses=(NODE_ADDRESS,),
    service_cidrs=("10.252.0.0/16",),
)
SERVER = """
import selectors, socket, sys
name, chosen = sys.argv[1], selectors.DefaultSelector()
for port in (8080, 8081):
    one = socket.create_server(("0.0.0.0", port), backlog=128)
    chosen.register(one, selectors.EVENT_READ)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 5353))
chosen.register(udp, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.fileobj is udp:
            _, peer = udp.recvfrom(100)
            udp.sendto(f"{name} {peer[0]} 5353".encode(), peer)
        else:
            made, peer = key.fileobj.accept()
            made.sendall(f"{name} {peer[0]} {made.getsockname()[1]}".encode())
            made.close()
"""
ASK = """
import json, socket, sys
protocol, address, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
answers = []
for _ in range(count):
    with socket.socket(socket.AF_INET, kind) as one:
        one.settimeout(1.0)
        try:
            one.connect((address, port))
            if protocol == "udp":
                one.send(b"?")
            answers.append(one.recv(100).decode())
        except TimeoutError:
            answers.append("timeout")
        except OSError as error:
            answers.append(type(error).__name__)
print(json.dumps(answers))
"""
APPLY = """
import asyncio, sys
from pybernetes.proxy import apply
async def main():
    library = apply.LibNftables()
    await library.apply(sys.stdin.read())
    await library.close()
asyncio.run(main())
"""
DUMP = """
import asyncio, json, sys
from pybernetes.proxy import conntrack
async def main():
    real, wanted = conntrack.NetlinkConntrack(), sys.argv[1]
    flows = [flow for flow in await real.udp_flows() if flow.destination[0] == wanted]
    print(json.dumps([flow.answered_by for flow in flows] + [await real.delete(flows), await real.delete(flows)]))
asyncio.run(main())
"""


def ip(*arguments: str, namespace: str = "") -> None:
    inside = ("-n", namespace) if namespace else ()
    subprocess.run(["ip", *inside, *arguments], check=True, capture_output=True)


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


def join(namespace: str, address: str, gateway: str, bridge: str = "") -> None:
    """Link a namespace to the node's, at the bridge or directly."""
    end = namespace[:12]
    ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", end, "netns", NODE)
    ip("address", "add", f"{address}/24", "dev", "eth0", namespace=namespace)
    ip("link", "set", "eth0", "up", namespace=namespace)
    ip("route", "add", "default", "via", gateway, namespace=namespace)
    if bridge:
        ip("link", "set", end, "master", bridge, namespace=NODE)
        # What a Pod sends to itself through a Service must be able to leave by the port it came from.
        ip("link", "set", end, "type", "bridge_slave", "hairpin", "on", namespace=NODE)
    else:
        ip("address", "add", f"{gateway}/24", "dev", end, namespace=NODE)
    ip("link", "set", end, "up", namespace=NODE)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """The namespaces, and a server in each."""
    servers: list[subprocess.Popen[str]] = []
    try:
        for namespace in (NODE, CLIENT, A, B):
            ip("netns", "add", namespace)
            ip("link", "set", "lo", "up", namespace=namespace)
        for network in ("10.251.0.0/16", "10.252.0.0/16"):
            ip("route", "add", "unreachable", network, "metric", "4294000000", namespace=NODE)
        for link, address in (("pods", "10.251.1.1/24"), ("services", "10.251.0.1/32")):
            ip("link", "add", link, "type", "bridge", namespace=NODE)
            ip("link", "set", link, "up", namespace=NODE)
            ip("address", "add", address, "dev", link, namespace=NODE)
        ip("route", "add", "10.252.0.0/16", "dev", "services", namespace=NODE)
        settings = ("net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")
        subprocess.run(inside(NODE, "sysctl", "-qw", *settings), check=True)
        join(A, A_ADDRESS, "10.251.1.1", "pods")
        join(B, B_ADDRESS, "10.251.1.1", "pods")
        join(CLIENT, CLIENT_ADDRESS, NODE_ADDRESS)
        for namespace, name in ((A, "a"), (B, "b"), (NODE, "node"), (CLIENT, "client")):
            command = inside(namespace, sys.executable, "-c", SERVER, name)
            servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        yield
    finally:
        for server in servers:
            server.kill()
            server.communicate()
        for namespace in (NODE, CLIENT, A, B):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


class NodeKernel(apply.NftProgram):
    """The kernel of the namespace `NODE`; `text` is the last transaction that is through."""

    def __init__(self) -> None:
        super().__init__(tuple(inside(NODE, "nft")))
        self._changed = asyncio.Event()
        self.text = ""

    async def apply(self, text: str) -> None:
        await super().apply(text)
        self.text = text
        self._changed.set()

    async def change(self) -> None:
        """Until a transaction is through that nobody has waited for yet."""
        await self._changed.wait()
        self._changed.clear()


@pytest.fixture
def kernel(network: None) -> Iterator[NodeKernel]:
    yield NodeKernel()
    subprocess.run(inside(NODE, "nft", "-f", "-"), input=nftables.removal(TABLE).encode(), check=True)


def ask(
    namespace: str, port: int, address: str = VIP, *, count: int = 1, udp: bool = False, source: int = 0
) -> list[str]:
    """The answers to so many requests, each on a connection of its own."""
    arguments = ("udp" if udp else "tcp", address, str(port), str(count), str(source))
    done = subprocess.run(
        inside(namespace, sys.executable, "-c", ASK, *arguments), check=True, capture_output=True, timeout=60
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


def names(answers: list[str]) -> dict[str, int]:
    """How often each Pod answered."""
    return dict(collections.Counter(answer.split(" ")[0] for answer in answers))


def target(address: str, port: int = 8080, *, local: bool = True) -> ruleset.Target:
    return ruleset.Target(address, port, local)


BOTH = (target(A_ADDRESS), target(B_ADDRESS))


def port(**changes: Any) -> ruleset.ServicePort:
    """A port of the Service at VIP, with both Pods behind it."""
    base = {
        "namespace": "default",
        "service": "web",
        "name": "http",
        "protocol": "tcp",
        "cluster_address": VIP,
        "port": 80,
        "cluster": BOTH,
        "has_endpoints": True,
    }
    return ruleset.ServicePort(**{**base, **changes})


async def put(kernel: NodeKernel, *ports: ruleset.ServicePort) -> nftables.Table:
    table = nftables.Table(SETTINGS)
    await kernel.apply(table.full({"default/web": ruleset.ServiceRules(ports)}))
    return table


@pytest.mark.parametrize("place", [A, NODE, CLIENT])
async def test_requests_reach_every_backend(kernel: NodeKernel, place: str) -> None:
    await put(kernel, port())
    answered = names(ask(place, 80, count=100))
    assert set(answered) == {"a", "b"}
    assert min(answered.values()) >= 20


async def test_several_ports_and_udp(kernel: NodeKernel) -> None:
    second = (target(A_ADDRESS, 8081), target(B_ADDRESS, 8081))
    dns = (target(A_ADDRESS, 5353), target(B_ADDRESS, 5353))
    await put(
        kernel,
        port(),
        port(name="more", port=81, cluster=second),
        port(name="dns", protocol="udp", port=53, cluster=dns),
    )
    for place in (A, CLIENT, NODE):
        assert {answer.split(" ")[2] for answer in ask(place, 80, count=5)} == {"8080"}
        assert {answer.split(" ")[2] for answer in ask(place, 81, count=5)} == {"8081"}
        assert set(names(ask(place, 53, count=40, udp=True))) == {"a", "b"}
        # no such port: refused, not silent
        assert ask(place, 82) == ["ConnectionRefusedError"]


@pytest.mark.parametrize("affinity", [0, 60])
async def test_a_pod_reaches_itself(kernel: NodeKernel, affinity: int) -> None:
    await put(kernel, port(cluster=(target(A_ADDRESS),), affinity_seconds=affinity))
    answers = ask(A, 80, count=5)
    assert names(answers) == {"a": 5}
    # others are seen with their own address
    assert ask(B, 80) == [f"a {B_ADDRESS} 8080"]


async def test_session_affinity_sticks(kernel: NodeKernel) -> None:
    await put(kernel, port(affinity_seconds=60))
    for place in (A, B, CLIENT, NODE):
        assert len(names(ask(place, 80, count=30))) == 1


async def test_not_ready_leaves_the_rotation(kernel: NodeKernel) -> None:
    table = await put(kernel, port(affinity_seconds=60))
    for remaining, name in ((target(B_ADDRESS), "b"), (target(A_ADDRESS), "a")):
        changed = ruleset.ServiceRules((port(cluster=(remaining,), affinity_seconds=60),))
        await kernel.apply(table.change({"default/web": changed}))
        assert names(ask(CLIENT, 80, count=20)) == {name: 20}


async def test_nobody_there_is_refused_at_once(kernel: NodeKernel) -> None:
    nobody = {"cluster": (), "has_endpoints": False}
    table = await put(kernel, port(node_port=30080, **nobody), port(name="dns", protocol="udp", port=53, **nobody))
    clock = clocks.RealClock()
    started = clock.monotonic()
    for place in (A, CLIENT, NODE):
        assert set(ask(place, 80, count=30)) == {"ConnectionRefusedError"}
        # the node's own socket is refused by the output hook itself, before anything is sent
        refusal = "PermissionError" if place == NODE else "ConnectionRefusedError"
        assert ask(place, 53, udp=True) == [refusal]
    assert ask(CLIENT, 30080, NODE_ADDRESS) == ["ConnectionRefusedError"]
    assert clock.monotonic() - started < 5
    await kernel.apply(table.change({"default/web": ruleset.ServiceRules((port(),))}))
    assert names(ask(CLIENT, 80, count=4)).keys() <= {"a", "b"}
    await kernel.apply(table.change({"default/web": ruleset.NOTHING}))
    # no such Service: the range is this cluster's, so it ends here
    assert ask(A, 80) == ["timeout"]


async def test_node_port(kernel: NodeKernel) -> None:
    await put(kernel, port(node_port=30080))
    answers = ask(CLIENT, 30080, NODE_ADDRESS, count=40)
    assert set(names(answers)) == {"a", "b"}
    assert CLIENT_ADDRESS not in {answer.split(" ")[1] for answer in answers}
    for place in (A, NODE):
        assert set(names(ask(place, 30080, NODE_ADDRESS, count=40))) == {"a", "b"}


@pytest.mark.parametrize("place", [A, NODE, CLIENT])
async def test_an_endpoint_on_the_node_itself(kernel: NodeKernel, place: str) -> None:
    """As of the Service `kubernetes`: the API server listens on the cluster's link."""
    await put(kernel, port(cluster=(target("10.251.0.1"),)))
    assert names(ask(place, 80, count=3)) == {"node": 3}


async def test_nothing_is_masqueraded_for_the_outside(kernel: NodeKernel) -> None:
    """An endpoint that is not in the cluster sees who asks: the node's address is not lent to a Pod."""
    await put(kernel, port(cluster=(target(CLIENT_ADDRESS, local=False),), node_port=30080))
    assert ask(A, 80) == [f"client {A_ADDRESS} 8080"]
    assert ask(A, 30080, NODE_ADDRESS) == [f"client {A_ADDRESS} 8080"]


async def test_local_policy_keeps_the_source(kernel: NodeKernel) -> None:
    here = (target(A_ADDRESS),)
    cluster = (target(A_ADDRESS), target(B_ADDRESS, local=False))
    local = {"external_local": True, "node_port": 30080, "balancer_addresses": ("203.0.113.1",)}
    await put(kernel, port(cluster=cluster, local=here, **local))
    for address, number in ((NODE_ADDRESS, 30080), ("203.0.113.1", 80)):
        assert set(ask(CLIENT, number, address, count=10)) == {f"a {CLIENT_ADDRESS} 8080"}
    # what starts on the node goes anywhere
    assert set(names(ask(A, 30080, NODE_ADDRESS, count=40))) == {"a", "b"}
    await put(kernel, port(cluster=cluster, **local))
    assert ask(CLIENT, 30080, NODE_ADDRESS) == ["timeout"]
    assert set(names(ask(NODE, 30080, NODE_ADDRESS, count=40))) == {"a", "b"}


async def test_source_ranges(kernel: NodeKernel) -> None:
    await put(kernel, port(balancer_addresses=("203.0.113.1",), source_ranges=("192.0.2.2/32",)))
    assert names(ask(CLIENT, 80, "203.0.113.1", count=2)).keys() <= {"a", "b"}
    await put(kernel, port(balancer_addresses=("203.0.113.1",), source_ranges=("198.51.100.0/24",)))
    assert ask(CLIENT, 80, "203.0.113.1") == ["timeout"]


def listed() -> dict[str, Any]:
    """The node's table as the kernel has it, in an order that does not depend on history."""
    output = subprocess.run(inside(NODE, "nft", "-j", "list", "table", "ip", TABLE), check=True, capture_output=True)
    found: dict[str, Any] = collections.defaultdict(list)
    for item in json.loads(output.stdout)["nftables"]:
        ((kind, body),) = item.items()
        for volatile in ("handle", "index"):
            body.pop(volatile, None)
        if isinstance(body.get("elem"), list):
            body["elem"].sort(key=json.dumps)
        found[f"{kind} {body.get('name', body.get('chain', ''))}"].append(body)
    return {key: found[key] for key in sorted(found)}


async def test_changes_leave_the_kernel_as_a_full_sync_would(kernel: NodeKernel) -> None:
    table = nftables.Table(SETTINGS)
    sticky, local = port(affinity_seconds=60), port(external_local=True, node_port=30080, local=(target(A_ADDRESS),))
    other = port(service="other", cluster_address="10.252.0.21", external_addresses=("203.0.113.1",))
    states: list[dict[str, ruleset.ServiceRules]] = [
        {"default/web": ruleset.ServiceRules((port(),)), "default/other": ruleset.ServiceRules((other,))},
        {"default/web": ruleset.ServiceRules((sticky,))},
        {"default/web": ruleset.ServiceRules((port(affinity_seconds=90, cluster=BOTH[:1]),))},
        {"default/web": ruleset.ServiceRules((local, port(name="more", port=81)))},
        {"default/other": ruleset.NOTHING},
        {"default/web": ruleset.ServiceRules((port(external_addresses=("203.0.113.1",)),))},
    ]
    rules = dict(states[0])
    await kernel.apply(table.full(rules))
    for changes in states[1:]:
        rules.update(changes)
        await kernel.apply(table.change(changes))
        while table.has_stale:
            await kernel.apply(table.sweep() or f"list table ip {TABLE}")
        incremental = listed()
        await kernel.apply(nftables.Table(SETTINGS).full(rules))
        assert incremental == listed()


async def test_library_and_program_do_the_same(kernel: NodeKernel) -> None:
    ports = (port(affinity_seconds=60), port(name="more", port=81, node_port=30081))
    table = await put(kernel, *ports)
    by_program = listed()
    await kernel.apply(nftables.removal(table.settings.name))
    text = table.full({"default/web": ruleset.ServiceRules(ports)})
    subprocess.run(inside(NODE, sys.executable, "-c", APPLY), input=text.encode(), check=True)
    assert listed() == by_program


async def test_a_failed_transaction_changes_nothing(kernel: NodeKernel) -> None:
    await put(kernel, port())
    before = listed()
    with pytest.raises(apply.ApplyError, match="No such file or directory"):
        await kernel.apply(f"flush chain ip {TABLE} services\nflush chain ip {TABLE} absent\n")
    assert listed() == before


def test_conntrack_by_netlink(kernel: NodeKernel) -> None:
    dns = port(name="dns", protocol="udp", port=53, cluster=(target(A_ADDRESS, 5353),))
    asyncio.run(put(kernel, dns))
    assert names(ask(CLIENT, 53, udp=True)) == {"a": 1}
    output = subprocess.run(inside(NODE, sys.executable, "-c", DUMP, VIP), check=True, capture_output=True).stdout
    *answering, deleted, deleted_again = json.loads(output)
    assert [A_ADDRESS, 5353] in answering
    assert (deleted, deleted_again) == (len(answering), 0)


def slice_of(*ready: tuple[str, bool]) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {ruleset.SERVICE_LABEL: "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": is_ready}} for address, is_ready in ready],
    }


@contextlib.asynccontextmanager
async def proxying(cluster: Any, kernel: NodeKernel) -> AsyncIterator[proxier.Proxier]:
    config = proxier.ProxyConfig("node-1", (NODE_ADDRESS,), table=TABLE, cluster_cidr="10.251.0.0/16")
    made = proxier.Proxier(cluster.as_user("system:kube-proxy"), cluster.clock, config, kernel)
    async with tasks.TaskGroup("test") as group:
        group.start(made.run(), "proxy")
        async with asyncio.timeout(clusters.PATIENCE):
            await made.ready.wait()
        yield made


@pytest.mark.cluster(nodes=0, scheduler=False, controllers=())
async def test_the_whole_component(cluster: Any, kernel: NodeKernel) -> None:
    """From a change in the API to packets: a Pod that is not ready is out."""
    spec = {"clusterIP": "10.96.0.20", "ports": [{"port": 80}]}
    ip("route", "replace", "10.96.0.0/16", "dev", "services", namespace=NODE)
    async with proxying(cluster, kernel):
        await cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
        await cluster.apply(slice_of((A_ADDRESS, True), (B_ADDRESS, True)))
        async with asyncio.timeout(clusters.PATIENCE):
            while B_ADDRESS not in kernel.text:
                await kernel.change()
        for expected, pieces in (
            ({"a", "b"}, None),
            ({"b"}, [(A_ADDRESS, False), (B_ADDRESS, True)]),
            ({"a"}, [(A_ADDRESS, True), (B_ADDRESS, False)]),
            ({"ConnectionRefusedError"}, [(A_ADDRESS, False), (B_ADDRESS, False)]),
        ):
            if pieces is not None:
                await cluster.client.dynamic("discovery.k8s.io/v1", "EndpointSlice").patch(
                    "web-1", {"endpoints": slice_of(*pieces)["endpoints"]}, "default"
                )
            async with asyncio.timeout(clusters.PATIENCE):
                while set(names(await asyncio.to_thread(ask, CLIENT, 80, "10.96.0.20", count=20))) != expected:
                    await kernel.change()


def test_records_of_the_library_and_the_program_are_equal() -> None:
    """Both appliers refuse alike; neither needs a table of its own to be asked."""
    library, program = apply.LibNftables(), apply.NftProgram()

    async def refusals() -> list[str]:
        texts = []
        for applier in (library, program):
            with pytest.raises(apply.ApplyError) as caught:
                await applier.apply("delete chain ip pybernetes-none none\n")
            texts.append(str(caught.value).rpartition("Error: ")[2])
            await applier.close()
        return texts

    first, second = asyncio.run(refusals())
    assert first == second
    assert "No such file or directory" in first
