"""The Kubernetes API server keeps the cluster's objects: it validates them, stores them, and tells who watches.

Objects are kept in SQLite below --data-dir, in memory, or in the etcd that --etcd-servers names, which several API
servers may share.
"""

import argparse
import dataclasses
import pathlib

from pybernetes.cli import flags, foreground
from pybernetes.cluster.standalone import apiserver, connections

NAME = "kube-apiserver"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Upstream's flags, and where objects are kept."""
    _storage(parser)
    _serving(parser)
    _access(parser)
    accounts = parser.add_argument_group("Service account flags")
    accounts.add_argument("--service-account-issuer", default="", metavar="URL", help="the issuer of tokens (required)")
    accounts.add_argument(
        "--service-account-signing-key-file", default="", metavar="FILE", help="the private key that signs (required)"
    )
    accounts.add_argument(
        "--service-account-key-file",
        default="",
        metavar="FILE",
        help="the key that verifies them (default: the same)",
    )
    audit = parser.add_argument_group("Auditing flags")
    audit.add_argument("--audit-log-path", default="", metavar="FILE", help="write every request down there")
    misc = parser.add_argument_group("Misc flags")
    misc.add_argument(
        "--service-cluster-ip-range",
        default="10.96.0.0/16",
        metavar="CIDR",
        help="where Services get their addresses from (default: %(default)s)",
    )
    for flag, text in (
        ("--kubelet-certificate-authority", "who signs the kubelets' serving certificates"),
        ("--kubelet-client-certificate", "the server's certificate for kubelets"),
        ("--kubelet-client-key", "its private key"),
    ):
        misc.add_argument(flag, default="", metavar="FILE", help=text)
    flags.add_logs(parser)


def _storage(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Storage flags")
    group.add_argument(
        "--data-dir",
        type=pathlib.Path,
        default=pathlib.Path("kube-apiserver-data"),
        metavar="DIR",
        help="where objects and made certificates are kept (default: %(default)s)",
    )
    group.add_argument(
        "--storage",
        choices=("sqlite", "memory"),
        default="sqlite",
        help="where objects are kept (default: %(default)s)",
    )
    flags.add_etcd(group)
    group.add_argument(
        "--etcd-prefix", default="/registry", metavar="PREFIX", help="what keys begin with (default: %(default)s)"
    )
    keep = "how long Events are kept (default: 1h)"
    group.add_argument("--event-ttl", type=flags.seconds, default=3600.0, metavar="DURATION", help=keep)
    interval = "how often to forget old history; 0 leaves it to others (default: 5m)"
    group.add_argument(
        "--etcd-compaction-interval", type=flags.seconds, default=300.0, metavar="DURATION", help=interval
    )


def _serving(parser: argparse.ArgumentParser) -> None:
    generic = parser.add_argument_group("Generic flags")
    generic.add_argument(
        "--advertise-address", default="", metavar="IP", help="where others reach this server (default: found out)"
    )
    secure = parser.add_argument_group("Secure serving flags")
    secure.add_argument(
        "--bind-address", default="0.0.0.0", metavar="IP", help="where to listen (default: %(default)s, all interfaces)"
    )
    secure.add_argument("--secure-port", type=flags.port, default=6443, metavar="PORT", help="default: %(default)s")
    secure.add_argument("--tls-cert-file", default="", metavar="FILE", help="the certificate (default: one made here)")
    secure.add_argument("--tls-private-key-file", default="", metavar="FILE", help="its private key")
    secure.add_argument(
        "--cert-dir", default="", metavar="DIR", help="where a certificate made here is kept (default: in --data-dir)"
    )


def _access(parser: argparse.ArgumentParser) -> None:
    authentication = parser.add_argument_group("Authentication flags")
    authentication.add_argument(
        "--client-ca-file", default="", metavar="FILE", help="know clients by certificates of this authority"
    )
    authentication.add_argument(
        "--token-auth-file", default="", metavar="FILE", help="know clients by the tokens in this file"
    )
    flags.add_boolean(authentication, "--anonymous-auth", True, "let requests without a credential come in as nobody")
    authorization = parser.add_argument_group("Authorization flags")
    authorization.add_argument(
        "--authorization-mode",
        type=flags.listed,
        default=("Node", "RBAC"),
        metavar="LIST",
        help="only Node,RBAC is supported (the default)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    return foreground.run(_work(arguments), NAME, arguments)


async def _work(arguments: argparse.Namespace) -> None:
    if sorted(arguments.authorization_mode) != ["Node", "RBAC"]:
        given = ",".join(arguments.authorization_mode)
        raise connections.SettingsError(f"--authorization-mode {given}: only Node,RBAC is supported")
    arguments.etcd = flags.distant(arguments)
    names = [field.name for field in dataclasses.fields(apiserver.ApiServerSettings)]
    await apiserver.run(apiserver.ApiServerSettings(**{name: getattr(arguments, name) for name in names}))
