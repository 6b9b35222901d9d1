"""The public pytest plugin: fixture `cluster` is a whole cluster in the test's process.

By default it is everything with one simulated node. `@pytest.mark.cluster(nodes=0, controllers=("replicaset",))`
changes that: the options of `testing.cluster.Options`.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "cluster(**options): what the fixture `cluster` consists of")


@pytest_asyncio.fixture
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A running cluster of the test's own."""
    # A cluster takes half a second to import: only tests that use one pay for it.
    from pybernetes.testing import cluster as clusters

    marker = request.node.get_closest_marker("cluster")
    options = clusters.Options(**(marker.kwargs if marker is not None else {}))
    async with clusters.Cluster(options) as running:
        yield running
