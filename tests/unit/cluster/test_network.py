"""What the machine's share of the cluster network is worked out from."""

from pybernetes.cluster import network

SAVED = """*nat
:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A PREROUTING -j OTHERS
-A CNI-HOSTPORT-DNAT -m comment --comment "a b" -j MARK
COMMIT
"""


def test_chains_for_host_ports_go_with_the_last() -> None:
    assert network.host_port_removal(SAVED).splitlines() == [
        "*nat",
        "-D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
        '-D CNI-HOSTPORT-DNAT -m comment --comment "a b" -j MARK',
        "-F CNI-HOSTPORT-DNAT",
        "-X CNI-HOSTPORT-DNAT",
        "COMMIT",
    ]
    assert network.host_port_removal(SAVED.replace("-A CNI", ":CNI-DN-0123 - [0:0]\n-A CNI")) == ""
    assert network.host_port_removal("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j OTHERS\nCOMMIT\n") == ""


def test_ranges_in_use_are_found() -> None:
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "10.244.0.0/16", "type": "unreachable"},
        {"dst": "10.244.1.0/24", "dev": "pyb0-1"},
        {"dst": "10.96.3.7", "dev": "tun0"},
    ]
    assert network.find_conflict(routes, ("10.244.0.0/16", "10.97.0.0/16"), ("pyb0",)) == ""
    assert "10.96.3.7/32 (device tun0)" in network.find_conflict(routes, ("10.96.0.0/16",), ("pyb0",))
    assert "10.244.1.0/24 (device pyb0-1)" in network.find_conflict(routes, ("10.244.0.0/16",), ("pyb1",))
