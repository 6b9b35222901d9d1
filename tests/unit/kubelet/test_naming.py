from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import naming

MakePod = Callable[..., core.Pod]
HOST = naming.Resolver(("203.0.113.1",), ("corp.example",), ("edns0",))


def test_parses_resolv_conf() -> None:
    text = "# c\nnameserver 203.0.113.1\nsearch a b.\nsearch corp.example\noptions edns0 trust-ad\n; x\n"
    assert naming.parse_resolv_conf(text) == naming.Resolver(("203.0.113.1",), ("corp.example",), ("edns0", "trust-ad"))


CLUSTER = naming.Resolver(
    ("10.96.0.10",), ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"), ("ndots:5",)
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"dnsPolicy": "ClusterFirst"}, CLUSTER),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, HOST),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, CLUSTER),
        ({"dnsPolicy": "Default"}, HOST),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"], "options": [{"name": "a", "value": "1"}]},
            },
            naming.Resolver(("1.1.1.1",), ("x",), ("a:1",)),
        ),
        (
            {"dnsPolicy": "Default", "dnsConfig": {"options": [{"name": "edns0"}, {"name": "ndots", "value": "2"}]}},
            naming.Resolver(HOST.servers, HOST.searches, ("edns0", "ndots:2")),
        ),
    ],
)
def test_policies(make_pod: MakePod, spec: dict[str, Any], expected: naming.Resolver) -> None:
    assert naming.pod_resolver(make_pod(**spec), HOST, ("10.96.0.10",), "cluster.local") == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("web", "")),
        ({"hostname": "h"}, ("h", "")),
        ({"hostname": "h", "subdomain": "s"}, ("h", "s.shop.svc.cluster.local")),
        (
            {"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True},
            ("h.s.shop.svc.cluster.local", "s.shop.svc.cluster.local"),
        ),
        ({"metadata": {"name": "x" * 62 + "-y"}}, ("x" * 62, "")),
    ],
)
def test_host_name(make_pod: MakePod, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert naming.host_name(make_pod(**spec), "cluster.local") == expected


def test_hosts_file(make_pod: MakePod) -> None:
    pod = make_pod(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}])
    lines = naming.hosts_file(pod, ["10.0.0.5"], "h", "s.shop.svc.cluster.local").splitlines()
    assert lines[0] == "# Kubernetes-managed hosts file."
    assert "10.0.0.5\th.s.shop.svc.cluster.local\th" in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "1.2.3.4\ta\tb"]
    assert naming.host_network_hosts_file(make_pod(), "127.0.0.1 localhost\n") == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"
    )
