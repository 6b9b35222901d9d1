"""How components are built from a cluster's configuration."""

import ipaddress
import itertools

import pytest

from pybernetes.cluster import config as configs


@pytest.mark.parametrize(("real", "simulated"), [(0, 1), (1, 3), (0, 254), (0, 300), (1, 2000)])
def test_simulated_nodes_have_ranges_of_their_own(real: int, simulated: int) -> None:
    config = configs.ClusterConfig(nodes=()).grown("nodes", real).grown("simulated_nodes", simulated)
    ranges = [ipaddress.ip_network(config.simulated_range(index)) for index in config.simulated_nodes]
    own = [ipaddress.ip_network(config.node_range(index)) for index in range(real + 1)]
    everything = sorted([*ranges, *own])
    assert all(before.broadcast_address < after.network_address for before, after in itertools.pairwise(everything))
    assert all(one.subnet_of(ipaddress.ip_network(config.pod_range)) for one in ranges)
