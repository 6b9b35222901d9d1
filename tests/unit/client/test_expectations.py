"""Seed R5: a controller waits for what it has asked for, five minutes at most."""

from pybernetes.aio import clock
from pybernetes.client import expectations


async def test_creations(virtual: clock.VirtualClock) -> None:
    expected = expectations.ControllerExpectations(virtual)
    assert expected.satisfied("ns/web")
    expected.expect_creations("ns/web", 2)
    expected.creation_observed("ns/web")
    assert not expected.satisfied("ns/web")
    expected.creation_observed("ns/web")
    assert expected.satisfied("ns/web")
    assert expected.satisfied("ns/other")


async def test_a_deletion_seen_twice_counts_once(virtual: clock.VirtualClock) -> None:
    expected = expectations.ControllerExpectations(virtual)
    expected.expect_deletions("ns/web", ["u1", "u2"])
    expected.deletion_observed("ns/web", "u1")
    expected.deletion_observed("ns/web", "u1")
    expected.deletion_observed("ns/web", "stranger")
    assert not expected.satisfied("ns/web")
    expected.deletion_observed("ns/web", "u2")
    assert expected.satisfied("ns/web")


async def test_a_lost_event_is_waited_for_five_minutes(virtual: clock.VirtualClock) -> None:
    expected = expectations.ControllerExpectations(virtual)
    expected.expect_creations("ns/web", 1)
    await virtual.advance(300.0)
    assert not expected.satisfied("ns/web")
    await virtual.advance(0.1)
    assert expected.satisfied("ns/web")


async def test_skipped_writes_and_a_deleted_owner(virtual: clock.VirtualClock) -> None:
    expected = expectations.ControllerExpectations(virtual)
    expected.expect_creations("ns/web", 10)
    expected.lower("ns/web", 9)
    expected.creation_observed("ns/web")
    assert expected.satisfied("ns/web")
    expected.expect("ns/web", 1, ["u1"])
    assert not expected.satisfied("ns/web")
    expected.delete("ns/web")
    assert expected.satisfied("ns/web")
