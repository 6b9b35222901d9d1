"""Seed X2: the real kubectl prints with our cluster what it prints with upstream's."""

import asyncio
import difflib
import pathlib
import sys

import pytest

from pybernetes.testing.cluster import Cluster

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import transcripts

needs_kubectl = pytest.mark.skipif(transcripts.kubectl() is None, reason="needs kubectl (the extra `test` brings it)")


@needs_kubectl
@pytest.mark.slow
@pytest.mark.cluster(nodes=0)
@pytest.mark.parametrize("name", transcripts.names())
async def test_transcript(cluster: Cluster, tmp_path: pathlib.Path, name: str) -> None:
    kubeconfig = await cluster.kubeconfig()
    printed = await asyncio.to_thread(transcripts.run, name, kubeconfig, tmp_path)
    recorded = transcripts.read(name).splitlines()
    difference = "\n".join(difflib.unified_diff(recorded, printed.splitlines(), "upstream", "here", n=2, lineterm=""))
    if difference:
        pytest.fail(difference, pytrace=False)


@needs_kubectl
def test_every_subcommand_is_used() -> None:
    used = {
        word
        for name in transcripts.names()
        for line in transcripts.commands(transcripts.read(name))
        for word in line.split()
    }
    assert transcripts.subcommands() <= used
