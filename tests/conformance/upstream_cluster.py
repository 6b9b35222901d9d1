"""A cluster of upstream's own programs on nodes like ours, for a comparison in one sitting.

Certificates, kubeconfigs, links, routes and containerds are those that `pybernetes up` would make; etcd, API server,
controllers and scheduler come from the oracle; on each node run kubelet, kube-proxy (nftables) and CoreDNS.
"""

from __future__ import annotations

import asyncio
import functools
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import msgspec

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import build
import clusters
import oracle

from pybernetes.aio import clock as clocks
from pybernetes.cli import launch
from pybernetes.client import kubeconfig
from pybernetes.cluster import config as configs
from pybernetes.cluster import dns_service, join, network, nodes, pki, runtime
from pybernetes.crypto import certs
from pybernetes.kubelet.cri import client as cri
from pybernetes.kubelet.cri import images as cri_images

FRONT_PROXY = "front-proxy-client"
FILES = {
    "ca.crt": "ca.crt",
    "ca.key": "ca.key",
    "serving.crt": "apiserver.crt",
    "serving.key": "apiserver.key",
    "kubelet-client.crt": "apiserver-kubelet-client.crt",
    "kubelet-client.key": "apiserver-kubelet-client.key",
}
"""The oracle's files, and ours that stand in for them: one authority for control plane and nodes."""
SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")
SETTINGS += ("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")
"""What a kubelet sets in the kernel of its machine."""
FOLDERS = (pathlib.Path("/var/lib/kubelet"), pathlib.Path("/var/log/containers"))
"""Where a kubelet writes whatever it is told."""
NODE_SECONDS = 90.0
COREDNS = """.:53 {{
    bind {address}
    errors
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
    }}
    loadbalance
}}
"""


class Programs(oracle.Oracle):
    """The oracle as a control plane with nodes."""

    def __init__(self, folder: pathlib.Path, paths: configs.Paths, config: configs.ClusterConfig) -> None:
        self._paths = paths
        self._config = config
        super().__init__(folder, controllers=True, scheduler=True, server_flags=self._flags(), port=config.port)

    def _flags(self) -> tuple[str, ...]:
        keys = self._paths.pki
        return (
            "--bind-address=0.0.0.0",
            f"--advertise-address={self._config.control_plane_address}",
            "--endpoint-reconciler-type=lease",
            f"--service-cluster-ip-range={self._config.service_range}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={keys / 'front-proxy-ca.crt'}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={keys / f'{FRONT_PROXY}.crt'}",
            f"--proxy-client-key-file={keys / f'{FRONT_PROXY}.key'}",
        )

    def prepare(self) -> None:
        """Certificates of the cluster's authority instead of the oracle's own."""
        super().prepare()
        clock = clocks.RealClock()
        launch.credentials(self._paths, self._config, clock)
        authority = pki.Pki(self._paths.pki, clock).authority("front-proxy-ca")
        pair = certs.issue(authority, certs.Request(FRONT_PROXY), now=clock.now())
        pki.write_private(self._paths.pki / f"{FRONT_PROXY}.key", pair.key)
        pki.write_private(self._paths.pki / f"{FRONT_PROXY}.crt", pair.certificate)
        for name, ours in FILES.items():
            shutil.copy(self._paths.pki / ours, self.folder / name)

    def run_on(self, index: int, name: str, *arguments: str) -> None:
        """Start a program in the network of that node."""
        entering = functools.partial(network.enter, self._config.namespace(index), self._config.node_name(index))
        full = f"{name} {self._config.node_name(index)}"
        self._spawn(full, [str(build.program(name)), *arguments], entering)

    def stop(self) -> None:
        """The nodes' programs first."""
        for name in [one for one in self.pids if " " in one]:
            self._end(name)
        super().stop()


class Upstream(clusters.Cluster):
    """The cluster of upstream's programs."""

    title = "upstream"

    def __init__(self, name: str, folder: pathlib.Path) -> None:
        super().__init__(name, folder)
        # not in the cache: a kubelet's sockets are below its folder, and their paths must be short
        self.paths = configs.Paths.default(name)
        self._programs: Programs | None = None
        self._kernel: dict[pathlib.Path, str] = {}
        self._made = [one for one in FOLDERS if not one.exists()]

    def start(self, archive: pathlib.Path) -> None:
        """Bring it up, with the suite's images on its nodes."""
        if configs.load(self.paths) is not None:
            self.stop()
        for setting in SETTINGS:
            path = pathlib.Path("/proc/sys") / setting
            self._kernel[path] = path.read_text()
        config = self._configure()
        self._programs = programs = Programs(self.folder / "control-plane", self.paths, config)
        programs.start()
        kubeconfig.write_access(self.kubeconfig, launch.access(self.paths, config, "admin"))
        for index in config.nodes:
            command = [sys.executable, __file__, str(self.paths.root), str(index), str(archive)]
            subprocess.run(command, check=True)
            programs.run_on(index, "kubelet", *self._kubelet_flags(config, index))
        self._wait_ready()
        for index in config.nodes:
            programs.run_on(index, "kube-proxy", *self._proxy_flags(config, index))
            programs.run_on(index, "coredns", "-conf", str(self._corefile(config, index)))
        asyncio.run(_publish_dns(self.paths, config))

    def stop(self) -> None:
        """Remove every trace of it."""
        if self._programs is not None:
            self._programs.stop()
        config = self.config
        asyncio.run(nodes.remove_all(self.paths, config, clocks.RealClock(), delete=True))
        for family in ("ip", "ip6"):
            subprocess.run(["nft", "delete", "table", family, "kube-proxy"], capture_output=True, check=False)
        for path, value in self._kernel.items():
            path.write_text(value)
        for folder in (self.paths.root, self.folder / "control-plane", *self._made):
            shutil.rmtree(folder, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)

    def components(self) -> dict[str, int]:
        """Process ids of the components."""
        return dict(self._programs.pids) if self._programs else {}

    def _configure(self) -> configs.ClusterConfig:
        base = configs.ClusterConfig(name=self.name, port=oracle.free_port(), nodes=tuple(range(1, clusters.NODES + 1)))
        with network.choosing_ranges():
            for number in range(32):
                pods, services = f"10.{180 + number}.0.0/16", f"10.{140 + number}.0.0/16"
                config: configs.ClusterConfig = msgspec.structs.replace(base, pod_range=pods, service_range=services)
                if not asyncio.run(nodes.host_network(config).conflict()):
                    break
            self.paths.make()
            configs.save(self.paths, config)
            asyncio.run(nodes.host_network(config).install())
        return config

    def _kubelet_flags(self, config: configs.ClusterConfig, index: int) -> list[str]:
        ours = join.kubelet_config(config, self.paths, index)
        resolver = self.paths.node(ours.node_name) / "resolv.conf"
        resolver.write_text(f"nameserver {ours.node_ip}\n")
        _make_cgroup(config.cgroup(index))
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": ours.address,
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": ours.client_ca_file}},
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": ours.cgroup_root,
            "clusterDNS": list(ours.cluster_dns),
            "clusterDomain": ours.cluster_domain,
            "containerRuntimeEndpoint": ours.container_runtime_endpoint,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "failCgroupV1": False,
            "healthzPort": 0,
            "imageGCHighThresholdPercent": 99,
            "imageGCLowThresholdPercent": 98,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "podLogsDir": str(ours.pod_logs_dir),
            "resolvConf": str(resolver),
            "staticPodPath": ours.static_pod_path,
            "tlsCertFile": ours.tls_cert_file,
            "tlsPrivateKeyFile": ours.tls_private_key_file,
        }
        written = self.paths.node(ours.node_name) / "kubelet.json"
        written.write_text(json.dumps(settings, indent=2))
        pathlib.Path(ours.static_pod_path).mkdir(exist_ok=True)
        return [
            f"--config={written}",
            f"--kubeconfig={self.paths.kubeconfig(f'kubelet-{ours.node_name}')}",
            f"--hostname-override={ours.node_name}",
            f"--node-ip={ours.node_ip}",
            f"--root-dir={ours.root_dir}",
        ]

    def _proxy_flags(self, config: configs.ClusterConfig, index: int) -> list[str]:
        name, address = config.node_name(index), config.node_address(index)
        untouched = ("max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait")
        return [
            f"--kubeconfig={self.paths.kubeconfig(f'kube-proxy-{name}')}",
            f"--hostname-override={name}",
            "--proxy-mode=nftables",
            f"--cluster-cidr={config.pod_range}",
            "--oom-score-adj=0",
            f"--healthz-bind-address={address}:10256",
            f"--metrics-bind-address={address}:10249",
            *(f"--conntrack-{one}=0" for one in untouched),
        ]

    def _corefile(self, config: configs.ClusterConfig, index: int) -> pathlib.Path:
        name = config.node_name(index)
        access = self.paths.kubeconfig(f"coredns-{name}")
        path = self.paths.node(name) / "Corefile"
        path.write_text(
            COREDNS.format(address=config.node_address(index), domain=config.domain, kubeconfig=f"{access}")
        )
        return path

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + NODE_SECONDS
        wanted = set(self.config.node_names())
        while problem := self.problem() or ("" if wanted <= self._node_names() else "a node has not registered"):
            assert self._programs is not None
            self._programs.check()
            if time.monotonic() > deadline:
                raise SystemExit(f"upstream's nodes are not ready: {problem}")
            time.sleep(0.5)

    def _node_names(self) -> set[str]:
        assert self._programs is not None
        listed = json.loads(self._programs.request("GET", "/api/v1/nodes")[2])
        return {one["metadata"]["name"] for one in listed["items"]}


async def _publish_dns(paths: configs.Paths, config: configs.ClusterConfig) -> None:
    async with launch.client(paths, clocks.RealClock()) as admin:
        await dns_service.publish(admin, config)
        for index in config.nodes:
            node = await admin.resource(join.core.Node).get(config.node_name(index))
            await dns_service.put(admin, dns_service.endpoint(node, config.node_address(index)))


def _make_cgroup(name: str) -> None:
    """In every hierarchy; one of cpuset takes no process before it has CPUs and memory."""
    hierarchies = [nodes.CGROUPS] if (nodes.CGROUPS / "cgroup.controllers").exists() else nodes.CGROUPS.glob("*/")
    for root in hierarchies:
        (root / name).mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (root / setting).exists():
                (root / name / setting).write_text((root / setting).read_text())


async def _runtime(paths: configs.Paths, config: configs.ClusterConfig, index: int, archive: pathlib.Path) -> None:
    """A node's containerd with the images; it outlives this process."""
    place = nodes.runtime_config(paths, config, index)
    await runtime.Containerd(place, clocks.RealClock()).start()
    engine = cri.CriClient(f"unix://{place.socket}")
    try:
        await join.ensure_images(paths, engine, place)
    finally:
        await engine.close()
    await cri_images.import_archive(archive, str(place.socket))


def main(arguments: list[str]) -> int:
    """What runs in a node's network and has to enter it first: DATA INDEX ARCHIVE."""
    paths, index = configs.Paths(pathlib.Path(arguments[0])), int(arguments[1])
    config = configs.load(paths)
    assert config is not None
    network.enter(config.namespace(index), config.node_name(index))
    asyncio.run(_runtime(paths, config, index, pathlib.Path(arguments[2])))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(main(sys.argv[1:]))
