"""Which API servers share a store: each renews a record, and whoever sees one unchanged for 15 s takes it for dead.

Judged by changes alone, so that clocks of several machines need not agree.
Upstream: pkg/controlplane/reconcilers (lease.go).
"""

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.storage import backend as backends

RENEW_SECONDS = 10.0
DEAD_SECONDS = 15.0


class Peers:
    """This server's record and what it knows of the others'. `address` is where it is reached."""

    def __init__(self, backend: backends.Backend, clock: clocks.Clock, prefix: str, address: str) -> None:
        self._backend = backend
        self._clock = clock
        self._prefix = f"{prefix}/masterleases/"
        self._address = address
        self._renewals = 0
        self._seen: dict[str, tuple[int, float]] = {}
        """Address → revision of its record, and when that was new."""

    async def renew(self) -> None:
        """Say that this server is there."""
        self._renewals += 1
        obj = {"kind": "Endpoints", "apiVersion": "v1", "metadata": {"generation": self._renewals}}
        value = msgspec.json.encode({**obj, "subsets": [{"addresses": [{"ip": self._address}]}]})
        key = self._prefix + self._address
        try:
            record = await self._backend.get(key)
            if record is None:
                await self._backend.create(key, value)
            else:
                await self._backend.update(key, value, expected=record.mod_revision)
        except (backends.KeyExists, backends.CompareFailed):
            """Another process at this address has just said so."""

    async def alive(self) -> list[str]:
        """The addresses of all servers, in order; records of the dead are removed."""
        now, found = self._clock.monotonic(), []
        for record in (await self._backend.list(self._prefix)).records:
            address = record.key.removeprefix(self._prefix)
            revision, since = self._seen.get(address, (0, now))
            if revision != record.mod_revision:
                since = now
            self._seen[address] = record.mod_revision, since
            if now - since < DEAD_SECONDS:
                found.append(address)
            else:
                await self._remove(record)
        return sorted(found)

    async def leave(self) -> None:
        """This server stops."""
        record = await self._backend.get(self._prefix + self._address)
        if record is not None:
            await self._remove(record)

    async def _remove(self, record: backends.Record) -> None:
        try:
            await self._backend.delete(record.key, expected=record.mod_revision)
        except backends.CompareFailed:
            """Renewed, or removed by another."""
