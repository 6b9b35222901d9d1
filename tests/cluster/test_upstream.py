"""Every answer recorded from upstream, asked again of our server behind a real TLS socket: same codes, same words.

What differs stands, with its reason, in `tests/golden/upstream/differences.yaml`; whatever agrees must not stand there.
"""

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

UPSTREAM = pathlib.Path(__file__).parents[1] / "upstream"
sys.path.insert(0, str(UPSTREAM))
import cases  # noqa: E402
import here  # noqa: E402
import replay  # noqa: E402

KNOWN = {name: group["why"] for group in cases.load(replay.GOLDEN / "differences.yaml") for name in group["cases"]}
RECORDED = {name: case for folder in replay.FOLDERS for name, case in replay.recorded(folder, [], "")}


@pytest.fixture(scope="module")
def server() -> Iterator[cases.Server]:
    running = here.Here()
    with running as made:
        yield made
        made.close()
    assert not running.errors


@pytest.mark.parametrize("name", RECORDED)
def test_answers_are_upstreams(server: cases.Server, name: str) -> None:
    case: dict[str, Any] = {key: value for key, value in RECORDED[name].items() if key != "wait"}
    text = replay.differs(server, case)
    assert bool(text) is (name in KNOWN), text or f"{name} is as upstream now: take it from the list"


def test_no_difference_is_known_of_what_is_not_recorded() -> None:
    assert not KNOWN.keys() - RECORDED.keys()
