"""A sample of `tests.crash.run`: kill -9 at steps of the journey ends as without kills, and nothing told is lost."""

import pathlib

import pytest
from tests import etcd
from tests.crash import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("sort", "kills"),
    [("components", 6), ("etcd", 4), ("up", 8), pytest.param("node", 10, marks=pytest.mark.node)],
)
async def test_killed_at_every_step(sort: str, kills: int, tmp_path: pathlib.Path) -> None:
    if sort == "etcd" and not etcd.program():
        pytest.skip("no etcd here: python tests/upstream/build.py, or install etcd-server")
    done = await run.crash(run.choose(sort, tmp_path, "crash-test"), kills, seed=kills)
    assert done.kills >= kills
