"""Kinds of flags, and groups of flags that several components have.

Upstream: k8s.io/component-base (cli/flag, logs, config/options), spf13/pflag.
"""

import argparse
import os.path

from pybernetes.apimachinery import timestamps
from pybernetes.storage import backend


def boolean(text: str) -> bool:
    """`true` or `false`, in the spellings that Go takes."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise argparse.ArgumentTypeError(f'invalid argument "{text}": use true or false')


def seconds(text: str) -> float:
    """A Go duration (`1m30s`) in seconds."""
    try:
        return timestamps.duration_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'invalid argument "{text}": {error}') from error


def port(text: str) -> int:
    """A port number; 0 where the flag says what that means."""
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a valid port: use 0 to 65535")
    return int(text)


def listed(text: str) -> tuple[str, ...]:
    """Parts separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def add_boolean(group: argparse._ArgumentGroup, flag: str, default: bool, text: str) -> None:
    """A flag that is true when it stands alone."""
    shown = f"{text} (default: {str(default).lower()})"
    group.add_argument(flag, type=boolean, nargs="?", const=True, default=default, metavar="BOOL", help=shown)


def add_etcd(group: "argparse._ArgumentGroup | argparse.ArgumentParser") -> None:
    """Where etcd is; `distant` reads them."""
    group.add_argument("--etcd-servers", default=(), type=listed, metavar="URL[,URL]", help="keep objects in this etcd")
    for name, text in (
        ("cafile", "who signs etcd's certificates"),
        ("certfile", "the client certificate to show etcd"),
        ("keyfile", "its private key"),
    ):
        group.add_argument(f"--etcd-{name}", default="", metavar="FILE", help=text)


def distant(arguments: argparse.Namespace) -> backend.Distant | None:
    """What `add_etcd` added; None when no server is named."""
    if not arguments.etcd_servers:
        return None
    paths = (arguments.etcd_cafile, arguments.etcd_certfile, arguments.etcd_keyfile)
    return backend.Distant(arguments.etcd_servers, *(os.path.abspath(path) if path else "" for path in paths))


def add_logs(parser: argparse.ArgumentParser) -> None:
    """The flags of every component for its log."""
    group = parser.add_argument_group("Logs flags")
    group.add_argument("-v", "--v", type=int, default=0, metavar="LEVEL", help="number for the log level verbosity")
    group.add_argument(
        "--logging-format", choices=("text", "json"), default="text", help="the log's format (default: text)"
    )


def add_leader_election(parser: argparse.ArgumentParser, name: str) -> None:
    """The flags of a component of which only one may work at a time."""
    group = parser.add_argument_group("Leader election flags")
    add_boolean(group, "--leader-elect", True, "work only while holding the Lease")
    lasting = "how long the Lease lasts without being renewed (default: 15s)"
    group.add_argument("--leader-elect-lease-duration", type=seconds, default=15.0, metavar="DURATION", help=lasting)
    trying = "how long the leader tries to renew it before it gives up (default: 10s)"
    group.add_argument("--leader-elect-renew-deadline", type=seconds, default=10.0, metavar="DURATION", help=trying)
    often = "how long to wait between tries (default: 2s)"
    group.add_argument("--leader-elect-retry-period", type=seconds, default=2.0, metavar="DURATION", help=often)
    group.add_argument(
        "--leader-elect-resource-lock", choices=("leases",), default="leases", help="what is held (default: leases)"
    )
    group.add_argument(
        "--leader-elect-resource-name", default=name, metavar="NAME", help="the Lease's name (default: %(default)s)"
    )
    group.add_argument(
        "--leader-elect-resource-namespace",
        default="kube-system",
        metavar="NAMESPACE",
        help="the Lease's namespace (default: %(default)s)",
    )


def add_secure_serving(parser: argparse.ArgumentParser, default_port: int) -> None:
    """Where a component answers /healthz, /livez, /readyz and /metrics."""
    group = parser.add_argument_group("Secure serving flags")
    group.add_argument(
        "--bind-address", default="0.0.0.0", metavar="IP", help="where to listen (default: %(default)s, all interfaces)"
    )
    group.add_argument(
        "--secure-port", type=port, default=default_port, metavar="PORT", help="0: do not serve (default: %(default)s)"
    )
    group.add_argument("--tls-cert-file", default="", metavar="FILE", help="the certificate (default: one made anew)")
    group.add_argument("--tls-private-key-file", default="", metavar="FILE", help="its private key")
    group.add_argument(
        "--client-ca-file", default="", metavar="FILE", help="the authority of clients that show certificates"
    )


def add_client(parser: argparse.ArgumentParser) -> None:
    """How a component reaches the API server."""
    group = parser.add_argument_group("Client flags")
    group.add_argument("--kubeconfig", default="", metavar="FILE", help="where the API server is, and whom to be there")
    group.add_argument("--master", default="", metavar="URL", help="the API server's address, whatever the file says")
