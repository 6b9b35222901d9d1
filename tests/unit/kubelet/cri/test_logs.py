import asyncio
import datetime
import pathlib
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.kubelet.cri import logs

LINES = [
    "2026-01-01T00:00:01.000000001Z stdout F one",
    "2026-01-01T00:00:02.5Z stderr F oops",
    "2026-01-01T00:00:03Z stdout P thr",
    "2026-01-01T00:00:03Z stdout F ee",
    "not a log line",
    "2026-01-01T00:00:04Z stdout F ",
]


@pytest.fixture
def log(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "0.log"
    path.write_text("\n".join(LINES) + "\n")
    return path


async def collect(path: pathlib.Path, **options: Any) -> str:
    pieces = [one async for one in logs.read(path, logs.LogOptions(**options), lambda: False, clocks.RealClock())]
    return b"".join(pieces).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "one\noops\nthree\n\n"),
        ({"stream": "Stderr"}, "oops\n"),
        ({"stream": "Stdout"}, "one\nthree\n\n"),
        ({"tail_lines": 0}, ""),
        ({"tail_lines": 1}, "\n"),
        ({"tail_lines": 100}, "one\noops\nthree\n\n"),
        ({"limit_bytes": 5}, "one\no"),
        ({"since": datetime.datetime(2026, 1, 1, 0, 0, 2, tzinfo=datetime.UTC)}, "oops\nthree\n\n"),
        ({"since": datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)}, ""),
        (
            {"timestamps": True},
            "2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:02.5Z oops\n2026-01-01T00:00:03Z three\n"
            "2026-01-01T00:00:04Z \n",
        ),
    ],
)
async def test_options(log: pathlib.Path, options: dict[str, Any], expected: str) -> None:
    assert await collect(log, **options) == expected


async def test_following_sees_growth_and_rotation_and_ends_with_the_container(log: pathlib.Path) -> None:
    running = True
    seen: list[bytes] = []
    grown = asyncio.Event()

    async def follow() -> None:
        options = logs.LogOptions(follow=True, tail_lines=0)
        async for piece in logs.read(log, options, lambda: running, clocks.RealClock()):
            seen.append(piece)
            grown.set()

    task = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    with log.open("a") as file:
        file.write("2026-01-01T00:00:05Z stdout F five\n2026-01-01T00:00:06Z stdout F si")
    await asyncio.wait_for(grown.wait(), 5)
    grown.clear()
    with log.open("a") as file:
        file.write("x\n")
    await asyncio.wait_for(grown.wait(), 5)
    grown.clear()
    log.rename(log.with_suffix(".old"))
    log.write_text("2026-01-01T00:00:07Z stdout F seven\n")
    await asyncio.wait_for(grown.wait(), 5)
    running = False
    await asyncio.wait_for(task, 5)
    assert b"".join(seen) == b"five\nsix\nseven\n"


def test_the_end_of_a_log_as_text(log: pathlib.Path) -> None:
    assert logs.tail_text(log, 80, 2048) == "one\noops\nthree\n\n"
    assert logs.tail_text(log, 80, 4) == "ee\n\n"
    assert logs.tail_text(log.with_name("none"), 80, 4) == ""


def test_tail_over_many_blocks(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "long"
    path.write_text("".join(f"{number:0100}\n" for number in range(5000)))
    with path.open("rb") as file:
        file.seek(logs.tail_offset(file, 3000))
        assert int(file.readline()) == 2000
