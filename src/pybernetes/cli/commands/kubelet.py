"""The kubelet is the node agent: it runs the Pods that are bound to its node and reports on them.

It needs a container runtime that speaks CRI, root, and a kubeconfig (user `system:node:NAME`, group `system:nodes`).
"""

import argparse
import pathlib
import platform

from pybernetes.cli import flags, foreground
from pybernetes.cluster.standalone import connections, node
from pybernetes.kubelet import config as configs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Upstream's flags."""
    machine = parser.add_argument_group("Node flags")
    machine.add_argument(
        "--hostname-override", default="", metavar="NAME", help="the node's name (default: the host's)"
    )
    machine.add_argument("--node-ip", default="", metavar="IP", help="the node's address")
    machine.add_argument("--node-labels", default="", metavar="K=V,...", help="labels for the node when it registers")
    machine.add_argument("--max-pods", type=int, default=110, metavar="N", help="how many Pods (default: %(default)s)")
    flags.add_boolean(machine, "--register-node", True, "make the Node object")
    machine.add_argument("--pod-cidr", default="", metavar="CIDR", help="the addresses of this node's Pods")
    files = parser.add_argument_group("File flags")
    files.add_argument(
        "--root-dir", type=pathlib.Path, default=pathlib.Path("/var/lib/kubelet"), metavar="DIR", help="%(default)s"
    )
    files.add_argument(
        "--pod-logs-dir", type=pathlib.Path, default=pathlib.Path("/var/log/pods"), metavar="DIR", help="%(default)s"
    )
    files.add_argument("--pod-manifest-path", default="", metavar="DIR", help="static Pods are read from there")
    runtime = parser.add_argument_group("Container runtime flags")
    runtime.add_argument(
        "--container-runtime-endpoint",
        default="unix:///run/containerd/containerd.sock",
        metavar="URL",
        help="default: %(default)s",
    )
    runtime.add_argument(
        "--pod-infra-container-image",
        default=configs.KubeletConfig("").pod_infra_image,
        metavar="IMAGE",
        help="never collected as garbage (default: %(default)s)",
    )
    groups = parser.add_argument_group("Control group flags")
    groups.add_argument("--cgroup-driver", choices=("cgroupfs",), default="cgroupfs", help="default: %(default)s")
    groups.add_argument("--cgroup-root", default="/", metavar="PATH", help="kubepods is below (default: %(default)s)")
    flags.add_boolean(groups, "--cgroups-per-qos", True, "have a control group for each Pod and class of service")
    flags.add_boolean(groups, "--cpu-cfs-quota", True, "hold containers to their CPU limits")
    groups.add_argument(
        "--cpu-cfs-quota-period", type=flags.seconds, default=0.1, metavar="DURATION", help="default: 100ms"
    )
    groups.add_argument("--pod-max-pids", type=int, default=-1, metavar="N", help="processes of a Pod (-1: no limit)")
    for owner, whose in (("kube", "the cluster's programs"), ("system", "the system")):
        help_text = f"what Pods may not have, for {whose}: cpu=100m,memory=1Gi"
        groups.add_argument(f"--{owner}-reserved", default="", metavar="NAME=QUANTITY,...", help=help_text)
    network = parser.add_argument_group("Network flags")
    network.add_argument("--cluster-dns", type=flags.listed, default=(), metavar="IPS", help="the cluster's DNS server")
    network.add_argument("--cluster-domain", default="cluster.local", metavar="DOMAIN", help="default: %(default)s")
    network.add_argument(
        "--resolv-conf", default="/etc/resolv.conf", metavar="FILE", help="the node's resolver (default: %(default)s)"
    )
    serving = parser.add_argument_group("Secure serving flags")
    serving.add_argument("--address", default="0.0.0.0", metavar="IP", help="where to listen (default: %(default)s)")
    serving.add_argument("--port", type=flags.port, default=10250, metavar="PORT", help="default: %(default)s")
    serving.add_argument("--tls-cert-file", default="", metavar="FILE", help="the certificate (default: one made anew)")
    serving.add_argument("--tls-private-key-file", default="", metavar="FILE", help="its private key")
    serving.add_argument("--client-ca-file", default="", metavar="FILE", help="know clients by certificates of this")
    flags.add_boolean(serving, "--anonymous-auth", False, "let requests without a credential come in as nobody")
    flags.add_client(parser)
    flags.add_logs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Be the node until told to stop."""
    return foreground.run(_work(arguments), "kubelet", arguments)


async def _work(arguments: argparse.Namespace) -> None:
    await node.run_kubelet(node.Connection(arguments.kubeconfig, arguments.master), settings(arguments))


def settings(arguments: argparse.Namespace) -> configs.KubeletConfig:
    """What the flags say. Raises SettingsError."""
    host = platform.node()
    return configs.KubeletConfig(
        node_name=(arguments.hostname_override or host).strip().lower(),
        hostname=(arguments.hostname_override or host).strip().lower(),
        root_dir=arguments.root_dir,
        pod_logs_dir=arguments.pod_logs_dir,
        container_runtime_endpoint=arguments.container_runtime_endpoint,
        node_ip=arguments.node_ip,
        pod_cidr=arguments.pod_cidr,
        cluster_dns=arguments.cluster_dns,
        cluster_domain=arguments.cluster_domain,
        resolv_conf=arguments.resolv_conf,
        node_labels=_pairs("--node-labels", arguments.node_labels),
        register_node=arguments.register_node,
        address=arguments.address,
        port=arguments.port,
        tls_cert_file=arguments.tls_cert_file,
        tls_private_key_file=arguments.tls_private_key_file,
        client_ca_file=arguments.client_ca_file,
        anonymous_auth=arguments.anonymous_auth,
        static_pod_path=arguments.pod_manifest_path,
        max_pods=arguments.max_pods,
        cgroup_driver=arguments.cgroup_driver,
        cgroup_root=arguments.cgroup_root,
        cgroups_per_qos=arguments.cgroups_per_qos,
        cpu_cfs_quota=arguments.cpu_cfs_quota,
        cpu_cfs_quota_period=arguments.cpu_cfs_quota_period,
        pod_pids_limit=arguments.pod_max_pids,
        kube_reserved=_pairs("--kube-reserved", arguments.kube_reserved),
        system_reserved=_pairs("--system-reserved", arguments.system_reserved),
        pod_infra_image=arguments.pod_infra_container_image,
    )


def _pairs(flag: str, text: str) -> dict[str, str]:
    pairs = {}
    for part in flags.listed(text):
        key, separator, value = part.partition("=")
        if not separator:
            raise connections.SettingsError(f"{flag}: {part!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs
