"""One leads, the others wait; a lost lease ends the work."""

import asyncio
from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api.types import coordination
from pybernetes.apimachinery import errors
from pybernetes.client import leader_election, rest

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kcm"


class Candidate:
    """An elector that notes when it leads."""

    def __init__(self, client: rest.Client, virtual: clock.VirtualClock, identity: str) -> None:
        self.leading = False
        self.leaders: list[str] = []
        self.elector = leader_election.LeaderElector(
            client, "kcm", identity, virtual, on_new_leader=self.leaders.append
        )

    async def lead(self) -> None:
        self.leading = True
        try:
            await asyncio.Event().wait()
        finally:
            self.leading = False

    async def run(self) -> None:
        await self.elector.run(self.lead)


@pytest.fixture
def pair(client: rest.Client, virtual: clock.VirtualClock) -> tuple[Candidate, Candidate]:
    return Candidate(client, virtual, "a"), Candidate(client, virtual, "b")


async def test_the_lease_is_made_and_renewed(
    server: Any, pair: tuple[Candidate, Candidate], virtual: clock.VirtualClock
) -> None:
    async with tasks.TaskGroup("test") as group:
        group.start(pair[0].run(), "a")
        await virtual.advance(0.0)
        assert pair[0].leading
        assert server.objects[LEASE]["spec"] == {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:00:00.000000Z",
            "leaseTransitions": 0,
        }
        await virtual.advance(20.0)
        spec = server.objects[LEASE]["spec"]
        assert spec["acquireTime"] == "2026-01-01T00:00:00.000000Z"
        assert spec["renewTime"] == "2026-01-01T00:00:20.000000Z"


async def test_only_one_leads_and_a_release_hands_over_at_once(
    server: Any, pair: tuple[Candidate, Candidate], virtual: clock.VirtualClock
) -> None:
    """Seed D1: one leads at a time; a clean exit releases, and the other leads at its next look."""
    a, b = pair
    async with tasks.TaskGroup("test") as group:
        first = group.start(a.run(), "a")
        await virtual.advance(1.0)
        group.start(b.run(), "b")
        await virtual.advance(60.0)
        assert (a.leading, b.leading) == (True, False)
        assert b.leaders == ["a"]
        first.cancel()
        await asyncio.wait([first])
        assert server.objects[LEASE]["spec"]["holderIdentity"] == ""
        assert a.elector.state is leader_election.State.RELEASED
        await virtual.advance(5.0)
        assert (a.leading, b.leading) == (False, True)
        assert server.objects[LEASE]["spec"]["leaseTransitions"] == 1
        assert b.leaders == ["a", "b"]


async def test_a_dead_leader_is_replaced_after_the_lease_has_run_out(
    server: Any, pair: tuple[Candidate, Candidate], virtual: clock.VirtualClock
) -> None:
    """Seed D1: whoever was killed is replaced about 17 seconds later, not before its lease has run out."""
    server.put(LEASE, spec={"holderIdentity": "dead", "leaseDurationSeconds": 15, "renewTime": "1999-01-01T00:00:00Z"})
    async with tasks.TaskGroup("test") as group:
        group.start(pair[0].run(), "a")
        await virtual.advance(14.9)  # its clock may be wrong: only what we have seen counts
        assert not pair[0].leading
        await virtual.advance(5.0)
        assert pair[0].leading


async def test_a_leader_that_cannot_renew_stops_after_ten_seconds(
    server: Any, pair: tuple[Candidate, Candidate], virtual: clock.VirtualClock
) -> None:
    """Seed D1: never two: a leader that is cut off stops five seconds before another may begin."""
    outcome: list[BaseException] = []

    async def run() -> None:
        try:
            await pair[0].run()
        except leader_election.LeadershipLost as error:
            outcome.append(error)

    async with tasks.TaskGroup("test") as group:
        group.start(run(), "a")
        await virtual.advance(1.0)
        server.faults = [errors.InternalError("etcd is gone")] * 100
        await virtual.advance(8.5)
        assert pair[0].leading
        await virtual.advance(2.0)
        assert not pair[0].leading
        assert [str(error) for error in outcome] == ["lost lease kube-system/kcm"]


async def test_a_hanging_request_does_not_prolong_the_leadership(
    server: Any, pair: tuple[Candidate, Candidate], virtual: clock.VirtualClock
) -> None:
    async def run() -> None:
        with pytest.raises(leader_election.LeadershipLost):
            await pair[0].run()

    async with tasks.TaskGroup("test") as group:
        group.start(run(), "a")
        await virtual.advance(1.0)
        server.hang = asyncio.Event()
        await virtual.advance(11.0)
        assert not pair[0].leading


async def test_work_that_ends_releases_the_lease(server: Any, client: rest.Client, virtual: clock.VirtualClock) -> None:
    elector = leader_election.LeaderElector(client, "kcm", "a", virtual)

    async def lead() -> None:
        pass

    await elector.run(lead)
    assert server.objects[LEASE]["spec"]["holderIdentity"] == ""


async def test_a_renewal_that_was_cut_off_does_not_hinder_the_release(
    server: Any, client: rest.Client, pair: tuple[Candidate, Candidate], virtual: clock.VirtualClock
) -> None:
    async with tasks.TaskGroup("test") as group:
        first = group.start(pair[0].run(), "a")
        await virtual.advance(1.0)
        # as if the answer to a renewal had not come any more: the version is newer than the one the elector knows
        lease = await client.resource(coordination.Lease).get("kcm", "kube-system")
        await client.resource(coordination.Lease).update(msgspec.to_builtins(lease), "kube-system")
        first.cancel()
        await asyncio.wait([first])
        assert server.objects[LEASE]["spec"]["holderIdentity"] == ""


async def test_work_that_fails_is_reported(client: rest.Client, virtual: clock.VirtualClock) -> None:
    elector = leader_election.LeaderElector(client, "kcm", "a", virtual)

    async def lead() -> None:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        await elector.run(lead)
