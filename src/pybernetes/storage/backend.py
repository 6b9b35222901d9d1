"""The storage protocol: etcd's model in ten methods, with named results.

One global revision counts every write. A key holds a value, the revision that created it and the revision that last
changed it. Writes compare-and-set on that last revision. A watch starts after a revision and tells every later
change in order; a revision that has been compacted away can be neither listed at nor watched from.

Keys are upstream's (`/registry/pods/NS/NAME`), values are encoded JSON objects without `metadata.resourceVersion`.
Path: 9 a new revision is stored.
Upstream: k8s.io/apiserver/pkg/storage/etcd3, k3s-io/kine.
"""

import dataclasses
import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One key at one revision."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int


class EventType(enum.Enum):
    """What happened to a key."""

    PUT = "PUT"
    DELETE = "DELETE"


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One change: `record` is the new state (for DELETE: the last value, with the revision of the deletion)."""

    type: EventType
    record: Record
    previous: Record | None

    @property
    def created(self) -> bool:
        """Whether the key did not exist before."""
        return self.type is EventType.PUT and self.previous is None


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Changes in revision order, complete up to `revision` (which may be later than the last event: progress)."""

    events: Sequence[Event]
    revision: int


@dataclasses.dataclass(frozen=True, slots=True)
class ListResult:
    """Records in key order as they were at `revision`; `remaining` counts those that the limit cut off."""

    records: Sequence[Record]
    revision: int
    remaining: int


class StorageError(Exception):
    """Root of what a backend raises.

    StorageError
     ├─ KeyExists        create: the key is there already
     ├─ CompareFailed    update, delete: the key has another revision, or is gone
     ├─ Compacted        list, watch: that revision's history is gone
     ├─ FutureRevision   list, watch: that revision is not reached yet
     └─ Unavailable      the store cannot answer now; nothing was written unless it says so
    """


class KeyExists(StorageError):
    """The key is there already."""


class CompareFailed(StorageError):
    """The key is not at the expected revision; `current` is what is there (None: nothing)."""

    def __init__(self, key: str, current: Record | None) -> None:
        super().__init__(key)
        self.current = current


class Compacted(StorageError):
    """History up to `revision` is gone."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"compacted up to revision {revision}")
        self.revision = revision


class FutureRevision(StorageError):
    """The revision asked for has not been reached; `current` is the newest."""

    def __init__(self, requested: int, current: int) -> None:
        super().__init__(f"revision {requested} is newer than {current}")
        self.current = current


class Unavailable(StorageError):
    """The store cannot answer (closed, disk full, connection lost)."""


Deliver = Callable[[Batch], None]


class Subscription(Protocol):
    """One who is told of changes."""

    def cancel(self) -> None:
        """Hear no more; harmless when repeated."""


class Watch(Protocol):
    """Batches as they come; `aclose` when done with it."""

    def __aiter__(self) -> AsyncIterator[Batch]: ...

    def __anext__(self) -> Awaitable[Batch]: ...

    def aclose(self) -> Awaitable[None]:
        """Stop listening."""


class Backend(Protocol):
    """What every storage backend offers. All revisions are positive integers; 0 means "now".

    Changes are told to subscribers synchronously, in order, and before the call that wrote them returns. With
    `exclusive` nobody else writes: then subscribers know all that is acknowledged. Else `revision` tells what others
    have done.
    """

    @property
    def exclusive(self) -> bool:
        """Whether only this process can write."""

    @property
    def problem(self) -> str:
        """Why the store does not answer at the moment; "" when it does."""

    @property
    def newest(self) -> int:
        """The newest revision that every subscriber has heard of."""

    @property
    def compacted(self) -> int:
        """The revision up to which history is gone, as far as is known."""

    def subscribe(self, prefix: str, deliver: Deliver, lost: Callable[[], None] = ...) -> Subscription:
        """Have `deliver` called with all changes under `prefix` newer than `newest`, in the event loop.

        `lost` is called if some of them can never be told; those after the new `newest` will be.
        """

    async def start(self) -> None:
        """Open the store, check its integrity; raises StorageError."""

    async def close(self) -> None:
        """Finish pending writes, end watches, release everything."""

    async def revision(self) -> int:
        """The newest committed revision; subscribers have heard of it."""

    async def get(self, key: str) -> Record | None:
        """The key's newest record."""

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> ListResult:
        """Records under `prefix` with key >= `start`, as of `revision`. Raises Compacted, FutureRevision."""

    async def create(self, key: str, value: bytes) -> Record:
        """Write a new key. Raises KeyExists."""

    async def update(self, key: str, value: bytes, *, expected: int) -> Record:
        """Replace the value if `mod_revision` is `expected`. Raises CompareFailed."""

    async def delete(self, key: str, *, expected: int) -> Record:
        """Remove the key if `mod_revision` is `expected`; the record carries the revision of the deletion."""

    def watch(self, prefix: str, *, after: int) -> Watch:
        """Batches of all changes under `prefix` with revision > `after`. Raises Compacted, FutureRevision."""

    async def compact(self, revision: int) -> None:
        """Forget history up to `revision`; current values stay."""


@dataclasses.dataclass(frozen=True, slots=True)
class Distant:
    """Where an etcd is (URLs) and how to show oneself to it: certificate files, as upstream's `--etcd-…` flags say."""

    servers: tuple[str, ...]
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""


def prefix_end(prefix: str) -> str:
    """The smallest string greater than every key that starts with `prefix`."""
    if not prefix:
        return chr(0x10FFFF)
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
