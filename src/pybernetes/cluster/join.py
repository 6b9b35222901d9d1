"""One real node as a process: container runtime, kubelet, service proxy and cluster DNS.

It starts by itself what it needs (a private containerd, the images it can make) and waits for the API server as any
client does.
"""

import contextlib
import pathlib
from collections.abc import Callable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.cluster import config as configs
from pybernetes.cluster import dns_service, images, nodes, processes, runtime, supervision, tracing
from pybernetes.dns import forward, zone
from pybernetes.kubelet import config as kubelet_configs
from pybernetes.kubelet import kubelet
from pybernetes.kubelet.cri import client as cri
from pybernetes.kubelet.cri import images as cri_images
from pybernetes.proxy import proxier
from pybernetes.telemetry import logs

logger = logs.get("node")


async def run_node(config: configs.ClusterConfig, paths: configs.Paths, index: int, report: processes.Reporter) -> None:
    """Be node `index` until cancelled."""
    clock = clocks.RealClock()
    name = config.node_name(index)
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(tasks.TaskGroup(f"node {name}"))
        place = nodes.runtime_config(paths, config, index)
        engine = runtime.Containerd(place, clock)
        await engine.start()
        group.start(engine.keep(), "container runtime")
        report.stage(f"container runtime of {name}")
        runtime_client = cri.CriClient(f"unix://{place.socket}")
        stack.push_async_callback(runtime_client.close)
        await ensure_images(paths, runtime_client, place)
        agent = kubelet.Kubelet(
            await _client(stack, paths, f"kubelet-{name}", clock),
            clock,
            kubelet_config(config, paths, index),
            runtime_client,
        )
        proxy = proxier.Proxier(
            await _client(stack, paths, f"kube-proxy-{name}", clock), clock, proxy_config(config, index)
        )
        names = await _client(stack, paths, f"coredns-{name}", clock)
        resolver = zone.ClusterDns(names, clock, dns_config(config, index))
        await nodes.api_is_ready(names)
        for part, run in (("kubelet", agent.run()), ("kube-proxy", proxy.run()), ("cluster-dns", resolver.run())):
            group.start(run, part)
        await group.until(agent.ready.wait(), "registered")
        report.stage(f"kubelet of {name}")
        await group.until(proxy.ready.wait(), "services")
        await group.until(resolver.ready.wait(), "names")
        node = await agent.client.resource(core.Node).get(name)
        await dns_service.put(names, dns_service.endpoint(node, config.node_address(index)))
        report.stage(f"services and DNS of {name}")
        await group.until(nodes.is_up(agent.client, name), "ready")
        report.stage(f"{name} is Ready")
        supervision.settle_memory()
        with tracing.on_request(paths, group):
            report.ready()
            await group.wait()


async def _client(
    stack: contextlib.AsyncExitStack, paths: configs.Paths, user: str, clock: clocks.Clock
) -> rest.Client:
    loaded = kubeconfig.load(str(paths.kubeconfig(user)))
    client = rest.Client(transport.HttpTransport(loaded.credentials(), clock), clock=clock, user_agent=user)
    stack.push_async_callback(client.close)
    return client


def kubelet_config(config: configs.ClusterConfig, paths: configs.Paths, index: int) -> kubelet_configs.KubeletConfig:
    """The kubelet's settings on node `index`."""
    name = config.node_name(index)
    return kubelet_configs.KubeletConfig(
        node_name=name,
        root_dir=paths.node(name) / "kubelet",
        pod_logs_dir=paths.node(name) / "pod-logs",
        container_runtime_endpoint=f"unix://{nodes.runtime_config(paths, config, index).socket}",
        node_ip=config.node_address(index),
        pod_cidr=config.node_range(index),
        cluster_dns=(config.service_address(dns_service.DNS_INDEX),),
        cluster_domain=config.domain,
        address=config.node_address(index),
        tls_cert_file=str(paths.pki / f"kubelet-serving-{name}.crt"),
        tls_private_key_file=str(paths.pki / f"kubelet-serving-{name}.key"),
        client_ca_file=str(paths.pki / "ca.crt"),
        static_pod_path=str(paths.node(name) / "manifests"),
        cgroup_root=f"/{config.cgroup(index)}",
    )


def proxy_config(config: configs.ClusterConfig, index: int) -> proxier.ProxyConfig:
    """The service proxy's settings on node `index`."""
    return proxier.ProxyConfig(
        node_name=config.node_name(index),
        node_addresses=(config.node_address(index),),
        table=f"{config.link}-{index}",
        cluster_cidr=config.pod_range,
        local_cidr=config.node_range(index),
        service_cidrs=(config.service_range,),
        address=config.node_address(index),
    )


def dns_config(config: configs.ClusterConfig, index: int) -> zone.DnsConfig:
    """The DNS server's settings on node `index`. A name server on loopback can be asked by the machine's node only."""
    resolv_conf = pathlib.Path("/etc/resolv.conf")
    servers = forward.nameservers(resolv_conf)
    if config.namespace(index) and any(one.startswith(("127.", "::1")) for one in servers):
        servers = (config.node_address(configs.HOST_NODE),)
    return zone.DnsConfig(config.node_address(index), 53, config.domain, servers)


async def ensure_images(paths: configs.Paths, engine: cri.CriClient, place: runtime.RuntimeConfig) -> None:
    """Make and load the pause image, and the demo image where busybox is installed."""
    directory = paths.root / "images"
    directory.mkdir(parents=True, exist_ok=True)
    wanted: list[tuple[str, Callable[[], images.Image]]] = [(images.PAUSE_IMAGE, images.pause_image)]
    try:
        images.demo_image()
    except images.ImageBuildError as error:
        logger.warning("no demo image: %s", error)
    else:
        wanted.append((images.DEMO_IMAGE, images.demo_image))
    for name, build in wanted:
        archive = directory / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        if not archive.exists():
            images.write(archive, [build()])
        await cri_images.ensure(engine, name, archive, str(place.socket))
