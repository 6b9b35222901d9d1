"""The steps of one object out of all that were heard."""

import pathlib
import re

from pybernetes.cli.journey import page, steps, story
from pybernetes.telemetry import traces

JOURNEY = pathlib.Path(__file__).parents[4] / "docs" / "journey.md"


def _step(number: int, at: float, about: str = "", note: str = "") -> traces.Step:
    return traces.Step(number, at, "component", "module:function", "module.py:1", about, note)


HEARD = [
    _step(5, 1.0, "replicaset-controller"),
    _step(5, 1.0, "job-controller"),
    _step(7, 2.0, "/registry/replicasets/default/web"),
    _step(10, 3.0, "default/web", "replicaset-controller"),
    _step(13, 4.0),
    _step(9, 4.5, "default/other"),
    _step(17, 5.0, "default/web-1"),
    _step(21, 6.0, "default/web-1"),
    _step(13, 9.0),
]


def _told() -> list[story.Line]:
    def events(key: str) -> list[dict[str, object]]:
        return [{"reason": "Scheduled", "message": "to a", "metadata": {"uid": key}}]

    return story.tell(HEARD, {"default/web", "default/web-1"}, {"u": "default/web"}, events)


def test_only_related_steps_are_told() -> None:
    assert [(line.step.n, line.step.object) for line in _told()] == [
        (5, "replicaset-controller"),
        (7, "/registry/replicasets/default/web"),
        (10, "default/web"),
        (13, ""),
        (17, "default/web-1"),
        (18, "default/web-1"),
        (21, "default/web-1"),
    ]


def test_events_and_uids_are_found() -> None:
    told = _told()
    assert told[-1].event == "Scheduled: to a"
    assert told[1].uid == "u"
    assert told[-1].document()["upstream"] == "scheduler: bind"


def test_missing_and_misplaced_steps() -> None:
    told = _told()
    assert story.missing(told, [5, 7, 8, 10]) == [8]
    assert story.out_of_order(told, [5, 7, 10]) == []
    assert story.out_of_order([story.Line(_step(7, 2.0)), story.Line(_step(8, 1.0))], [7, 8]) == [8]


def test_a_page_names_everything() -> None:
    written = page.write("a & b", _told())
    assert "a &amp; b" in written
    assert all(f">{line.step.n}<" in written for line in _told())


def test_the_steps_are_those_of_the_page() -> None:
    numbers = re.findall(r"^\*\*(\d+)\. ", JOURNEY.read_text(), re.MULTILINE)
    assert sorted(map(int, numbers)) == [*steps.STEPS]
