"""The Kubernetes network proxy keeps this node's nftables rules in step with Services and their endpoints.

It needs root and a kubeconfig (user `system:kube-proxy`).
"""

import argparse
import platform

from pybernetes.cli import flags, foreground
from pybernetes.cluster.standalone import node
from pybernetes.proxy import proxier

NAME = "kube-proxy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Upstream's flags, and the table's name."""
    group = parser.add_argument_group("Proxy flags")
    group.add_argument("--hostname-override", default="", metavar="NAME", help="the node's name (default: this host's)")
    group.add_argument("--cluster-cidr", default="", metavar="CIDR", help="the addresses of all Pods")
    group.add_argument(
        "--node-addresses", type=flags.listed, default=(), metavar="IPS", help="this node's addresses, for node ports"
    )
    group.add_argument(
        "--nodeport-addresses", type=flags.listed, default=(), metavar="IPS", help="node ports answer only there"
    )
    group.add_argument("--proxy-mode", choices=("nftables",), default="nftables", help="only nftables is supported")
    group.add_argument("--nftables-table", default=NAME, metavar="NAME", help="the table (default: %(default)s)")
    group.add_argument(
        "--nftables-min-sync-period",
        type=flags.seconds,
        default=0.1,
        metavar="DURATION",
        help="changes within this time are applied together (default: 100ms)",
    )
    group.add_argument(
        "--healthz-bind-address", default="0.0.0.0:10256", metavar="IP:PORT", help='"" for none (default: %(default)s)'
    )
    flags.add_client(parser)
    flags.add_logs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Keep the rules until told to stop."""
    connection = node.Connection(arguments.kubeconfig, arguments.master)
    return foreground.run(node.run_proxy(connection, settings(arguments)), NAME, arguments)


def settings(arguments: argparse.Namespace) -> proxier.ProxyConfig:
    """What the flags say."""
    address, _, port = arguments.healthz_bind_address.rpartition(":")
    return proxier.ProxyConfig(
        node_name=(arguments.hostname_override or platform.node()).strip().lower(),
        node_addresses=arguments.node_addresses,
        table=arguments.nftables_table,
        cluster_cidr=arguments.cluster_cidr,
        node_port_addresses=arguments.nodeport_addresses,
        address=address,
        healthz_port=int(port) if port.isdigit() else proxier.HEALTHZ_PORT,
        min_sync_period=arguments.nftables_min_sync_period,
    )
