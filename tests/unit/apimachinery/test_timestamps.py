"""Times and durations: upstream's answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import timestamps


def test_times_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("times", lambda text: f'"{timestamps.canonical_time(text)}"') == []
    assert differences("micro_times", lambda text: f'"{timestamps.canonical_micro_time(text)}"') == []


def test_durations_as_upstream(differences: Callable[..., list[Any]]) -> None:
    def described(text: str) -> list[Any]:
        nanoseconds = timestamps.parse_duration(text)
        return [timestamps.format_duration(nanoseconds), nanoseconds]

    assert differences("durations", described) == []


@given(st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)))
def test_times_read_back(moment: datetime) -> None:
    assert timestamps.parse_micro(timestamps.format_micro_time(moment)) == moment
    assert timestamps.parse(timestamps.format_time(moment)) == moment.replace(microsecond=0)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_durations_read_back(nanoseconds: int) -> None:
    text = timestamps.format_duration(nanoseconds)
    assert abs(timestamps.parse_duration(text) - nanoseconds) <= 1


def test_unix() -> None:
    assert timestamps.from_unix(0) == "1970-01-01T00:00:00Z"
    assert timestamps.to_unix("1970-01-01T01:00:00+01:00") == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11000, "3h3m"),
        (8 * 3600 + 1, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (731 * 86400, "2y1d"),
        (730 * 86400, "2y"),
        (3000 * 86400, "8y"),
    ],
)
def test_human_duration(seconds: float, text: str) -> None:
    assert timestamps.human_duration(seconds) == text
