"""One of several holds a Lease and works; the others wait until it is not renewed any longer.

    FOLLOWER --lease free, expired, or ours--> LEADER --renewed within the deadline--> LEADER
       ^                                         |  `--cancelled--> release, RELEASED
       `------- (a new run) <-- LeadershipLost --'

Clocks of different machines are never compared: what counts is how long *we* have seen the lease unchanged.

Upstream: client-go/tools/leaderelection (and resourcelock/leaselock.go).
"""

import asyncio
import dataclasses
import enum
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import coordination
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import events, rest, transport
from pybernetes.telemetry import logs, metrics

logger = logs.get("leaderelection")

_JITTER = 1.2
_TOLERANCE = 20.0
"""Seconds past its end after which holding on to a lease counts as ill."""


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a lease lasts, how long the leader tries to renew it, how often both sides look."""

    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0


class State(enum.Enum):
    """What this candidate is."""

    FOLLOWER = "follower"
    LEADER = "leader"
    RELEASED = "released"


class LeadershipLost(Exception):
    """The lease could not be renewed in time; somebody else may lead now."""


class LeaderElector:
    """A candidate for one Lease."""

    def __init__(
        self,
        client: rest.Client,
        name: str,
        identity: str,
        clock: clocks.Clock,
        *,
        namespace: str = "kube-system",
        timing: Timing | None = None,
        on_new_leader: Callable[[str], object] | None = None,
        recorder: events.EventRecorder | None = None,
    ) -> None:
        self.state = State.FOLLOWER
        self.name = name
        self.namespace = namespace
        self.identity = identity
        self._leases = client.resource(coordination.Lease)
        self._clock = clock
        self._timing = timing or Timing()
        self._on_new_leader = on_new_leader
        self._recorder = recorder
        self._observed: coordination.Lease | None = None
        self._observed_at = 0.0
        self._reported = ""
        self._lost = asyncio.Event()
        self._deadline: clocks.Timer | None = None
        self._status = metrics.DEFAULT.gauge(
            "leader_election_master_status",
            "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.",
            ("name",),
        ).labels(name)

    @property
    def leader(self) -> str:
        """Who held the lease when it was last seen."""
        spec = self._observed.spec if self._observed else None
        return (spec.holderIdentity or "") if spec else ""

    def check(self) -> str | None:
        """What is wrong: to be the leader of a lease that ran out a while ago."""
        late = self._clock.monotonic() - self._observed_at > self._timing.lease_duration + _TOLERANCE
        return (
            f"failed election to renew leadership on lease {self.name}" if self.state is State.LEADER and late else None
        )

    async def run(self, lead: Callable[[], Awaitable[object]]) -> None:
        """Wait to be the leader, then run `lead`; when it ends or this is cancelled, give the lease back."""
        await self._acquire()
        self._lost.clear()
        self._postpone()
        try:
            async with tasks.TaskGroup(f"leader {self.name}") as group:
                work = group.start(_awaited(lead), "work")
                watchdog = group.start(self._watchdog(), "watchdog")
                group.start(self._renew(), "renew")
                await asyncio.wait((work, watchdog), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._status.set(0)
            if self._deadline is not None:
                self._deadline.cancel()
            if self.state is State.LEADER:
                await self._release()

    async def _acquire(self) -> None:
        logger.info("Attempting to acquire leader lease... %s/%s", self.namespace, self.name)
        while not await self._try():
            period = self._timing.retry_period
            await self._clock.sleep(period * (1.0 + _JITTER * self._clock.random.random()))
        self.state = State.LEADER
        self._status.set(1)
        logger.info("Successfully acquired lease %s/%s", self.namespace, self.name)
        self._record("became leader")

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._timing.retry_period)
            if await self._try():
                self._postpone()
            elif self.leader != self.identity:
                self._lost.set()

    def _postpone(self) -> None:
        """The lease is renewed: the deadline starts anew."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._clock.call_later(self._timing.renew_deadline, self._lost.set)

    async def _watchdog(self) -> None:
        """Ends the leadership in time even if a request to renew it hangs."""
        await self._lost.wait()
        self.state = State.FOLLOWER
        self._record("stopped leading")
        logger.error("Failed to renew lease %s/%s: timed out waiting for the condition", self.namespace, self.name)
        raise LeadershipLost(f"lost lease {self.namespace}/{self.name}")

    async def _try(self) -> bool:
        """Take or renew the lease if that is allowed; whether it is ours now."""
        try:
            return await self._try_acquire_or_renew()
        except (errors.StatusError, transport.TransportError) as error:
            logger.error("error retrieving or updating lease %s/%s: %s", self.namespace, self.name, error)
            return False
        finally:
            self._report()

    async def _try_acquire_or_renew(self) -> bool:
        now = timestamps.format_micro_time(self._clock.now())
        spec: dict[str, Any] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, int(self._timing.lease_duration)),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        try:
            lease = await self._leases.get(self.name, self.namespace)
        except errors.NotFound:
            made = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": spec,
            }
            self._observe(await self._leases.create(made, self.namespace))
            return True
        self._observe(lease)
        holder, transitions = lease.spec.holderIdentity or "", lease.spec.leaseTransitions or 0
        if holder and holder != self.identity and not self._expired(lease):
            return False
        if holder == self.identity:
            spec |= {"acquireTime": lease.spec.acquireTime or now, "leaseTransitions": transitions}
        else:
            spec["leaseTransitions"] = transitions + 1
        self._observe(await self._write(lease, spec))
        return True

    async def _write(self, lease: coordination.Lease, spec: dict[str, Any]) -> coordination.Lease:
        """Change the lease unless somebody else has done so since it was read.

        By an update, not by a patch: upstream's roles for components say no more.
        """
        known = msgspec.to_builtins(lease)
        return await self._leases.update({**known, "spec": {**known.get("spec", {}), **spec}}, self.namespace)

    def _observe(self, lease: coordination.Lease) -> None:
        if self._observed is None or self._observed.spec != lease.spec:
            self._observed_at = self._clock.monotonic()
        self._observed = lease

    def _expired(self, lease: coordination.Lease) -> bool:
        duration = float(lease.spec.leaseDurationSeconds or self._timing.lease_duration)
        return self._clock.monotonic() - self._observed_at >= duration

    async def _release(self) -> None:
        try:
            while not await self._try_release():
                pass
        except (errors.StatusError, transport.TransportError) as error:
            logger.error("failed to release lease %s/%s: %s", self.namespace, self.name, error)
        self.state = State.RELEASED
        self._record("stopped leading")

    async def _try_release(self) -> bool:
        """Whether the lease is not ours any longer; read anew: a renewal that was cut off may have been written."""
        lease = await self._leases.get(self.name, self.namespace)
        self._observe(lease)
        if self.leader != self.identity:
            return True
        now = timestamps.format_micro_time(self._clock.now())
        spec = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": lease.spec.leaseTransitions or 0,
        }
        try:
            self._observe(await self._write(lease, spec))
        except errors.Conflict:
            return False
        return True

    def _report(self) -> None:
        if self.leader and self.leader != self._reported:
            self._reported = self.leader
            if self._on_new_leader is not None:
                self._on_new_leader(self.leader)

    def _record(self, what: str) -> None:
        if self._recorder is not None and self._observed is not None:
            self._recorder.event(self._observed, "Normal", "LeaderElection", f"{self.identity} {what}")


async def _awaited(lead: Callable[[], Awaitable[object]]) -> None:
    await lead()
