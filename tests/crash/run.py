"""Kill -9 at every step of a ReplicaSet's journey, again and again: the end is the same, and nothing told is lost.

    python -m tests.crash.run --kills 200 --seed 1 [--place components|etcd|up|node]

A journey is: apply 3, delete a Pod, scale to 5, scale to 2, delete. In each of its five phases one kill hits one
process, or all, at a moment that the seed chooses: when a watch shows a step (`moments`), or at any time; now and then
a second kill hits the restart. Meanwhile a second client writes ConfigMaps. After each phase the objects must be those
of a journey without kills, after each journey the store must be sound, and the ledger's rules hold all the time.
"""

import argparse
import asyncio
import collections
import pathlib
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from tests.crash import ledger, moments, place

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.client import rest, transport
from pybernetes.cluster import images
from pybernetes.storage import check
from pybernetes.testing import objects

Object = dict[str, Any]
KINDS = {"ReplicaSet": "apps/v1", "Pod": "v1", "Event": "v1", "ConfigMap": "v1", "Node": "v1"}
NAMESPACE = "default"
PATIENCE = 90.0
"""Seconds for a phase to settle; the longest wait in them is a client's back-off."""
AWAY = (transport.TransportError, errors.StatusError)


class Failed(AssertionError):
    """An invariant does not hold; the text says which, when, and what was killed before."""


class Watcher:
    """Follows everything in the namespace, across the server's deaths, and notes it in the ledger."""

    def __init__(self, client: rest.Client, notes: ledger.Ledger) -> None:
        self.known: dict[ledger.Key, Object] = {}
        self.heard: Callable[[moments.Change], None] = lambda change: None
        self.changed = asyncio.Event()
        self._client = client
        self._notes = notes

    def of(self, kind: str) -> list[Object]:
        """All objects of that kind."""
        return [obj for (its, _), obj in self.known.items() if its == kind]

    async def follow(self, kind: str) -> None:
        """List, then watch, for ever."""
        resource, since = self._client.dynamic(KINDS[kind], kind), ""
        while True:
            try:
                if not since:
                    page = await resource.list(NAMESPACE if kind != "Node" else "")
                    since = page.resource_version
                    found = {one["metadata"]["name"] for one in page.items}
                    for obj in [one for one in self.of(kind) if one["metadata"]["name"] not in found]:
                        self._note(kind, obj, gone=True)
                    for obj in page.items:
                        self._note(kind, obj)
                async with resource.watch(NAMESPACE if kind != "Node" else "", resource_version=since) as events:
                    async for event in events:
                        since = event.object["metadata"]["resourceVersion"]
                        if event.type != "BOOKMARK":
                            self._notes.saw(plain(event.object, kind))
                            self._note(kind, event.object, gone=event.type == "DELETED")
            except AWAY as error:
                if isinstance(error, errors.StatusError) and error.code == 410:
                    since = ""
                await self._client.clock.sleep(0.05)

    def _note(self, kind: str, obj: Object, *, gone: bool = False) -> None:
        key, old = (kind, obj["metadata"]["name"]), self.known.get((kind, obj["metadata"]["name"]))
        if gone:
            self.known.pop(key, None)
        else:
            self.known[key] = plain(obj, kind)
        if kind == "Pod" and old is not None and old["metadata"]["uid"] == obj["metadata"]["uid"]:
            if old["spec"].get("nodeName") not in (None, "", obj["spec"].get("nodeName")):
                self._notes.problems.append(f"I2: {key} moved from {old['spec']['nodeName']}")
        self.heard(moments.Change(kind, old, self.known.get(key)))
        self.changed.set()


def plain(obj: Object, kind: str) -> Object:
    """The same from a list and from a watch."""
    return {**{name: value for name, value in obj.items() if name != "apiVersion"}, "kind": kind}


class Chatter:
    """Writes a ConfigMap whenever something happens, so that writes are under way at every moment."""

    def __init__(self, client: rest.Client, notes: ledger.Ledger) -> None:
        self.due = asyncio.Event()
        self._maps = client.dynamic("v1", "ConfigMap")
        self._clock = client.clock
        self._notes = notes
        self._present: dict[str, Object | None] = {}

    async def run(self) -> None:
        """Write for ever."""
        count = 0
        while True:
            await self.due.wait()
            self.due.clear()
            count += 1
            await self._write(f"chatter-{count % 5}", count)

    async def _write(self, name: str, count: int) -> None:
        unsure = False
        while True:
            present = self._present.get(name)
            try:
                if present is not None and count % 7 == 0:
                    self._notes.deleting(present["metadata"]["uid"])
                    await self._maps.delete(name, NAMESPACE)
                    self._notes.deleted(present["metadata"]["uid"])
                    self._present[name] = None
                    return
                data = {"metadata": {"name": name}, "data": {"count": str(count)}}
                if present is None:
                    written = await self._maps.create({"apiVersion": "v1", "kind": "ConfigMap", **data}, NAMESPACE)
                else:
                    written = await self._maps.update({**present, "data": data["data"]}, NAMESPACE)
                self._notes.wrote(plain(written, "ConfigMap"))
                self._present[name] = written
                return
            except transport.TransportError:
                unsure = True
                await self._clock.sleep(0.05)
            except errors.StatusError as error:
                if error.code in (404, 409) and not unsure:
                    self._notes.problems.append(f"the only writer of {name} was told {error}")
                if error.code in (404, 409):
                    self._present[name] = await self._read(name)
                else:  # a store that broke off may have written all the same
                    unsure = True
                    await self._clock.sleep(0.05)

    async def _read(self, name: str) -> Object | None:
        while True:
            try:
                return await self._maps.get(name, NAMESPACE)
            except errors.NotFound:
                return None
            except AWAY:
                await self._clock.sleep(0.05)


class Crasher:
    """Journeys with kills in one cluster."""

    def __init__(self, where: place.Place, seed: int) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.kills = 0
        self.notes = ledger.Ledger()
        self._place = where
        self._random = random.Random(seed)
        self._client = place.client(where)
        self._clock = self._client.clock
        self._watcher = Watcher(self._client, self.notes)
        self._chatter = Chatter(self._client, self.notes)
        self._sets = self._client.dynamic("apps/v1", "ReplicaSet")
        self._pods = self._client.dynamic("v1", "Pod")
        self._usual: dict[str, Any] = {}
        self._story: list[str] = []

    async def run(self, kills: int, progress: Callable[[str], object]) -> None:
        """So many kills, after one journey without. Raises Failed."""
        async with tasks.TaskGroup("crash") as group:
            try:
                for kind in KINDS:
                    group.start(self._watcher.follow(kind), f"watch {kind}")
                group.start(self._chatter.run(), "chatter")
                await self._sure(lambda: self._client.raw("GET", "/readyz"))  # no sooner is there a `default`
                await self._until("the nodes", self._nodes_ready)
                await self._journey(group, 0)
                while self.kills < kills:
                    await self._journey(group, kills)
                    progress(f"{self.kills} kills, {self.notes.acknowledged} writes acknowledged")
            finally:
                await group.cancel()
                await self._client.close()

    async def _journey(self, group: tasks.TaskGroup, kills: int) -> None:
        actions: dict[str, tuple[Callable[[], Awaitable[Any]], int]] = {
            "apply": (self._apply, 3),
            "delete a pod": (self._delete_pod, 3),
            "scale up": (lambda: self._scale(5), 5),
            "scale down": (lambda: self._scale(2), 2),
            "delete": (self._delete, 0),
        }
        for phase, (action, wanted) in actions.items():
            await self._phase(group, phase, action, kill=self.kills < kills)
            await self._until(phase, lambda wanted=wanted, phase=phase: self._ended(phase, wanted))
            await self._compare()
        self.notes.problems += [f"{part} ended by itself" for part in self._place.ended()]
        if self._place.database.exists():
            problems = [str(one) for one in check.check(self._place.database)]
            self.notes.problems += problems + ledger.stored(self._place.database, self.notes)
        self._fail_if(self.notes.problems)

    async def _phase(
        self, group: tasks.TaskGroup, phase: str, action: Callable[[], Awaitable[Any]], *, kill: bool
    ) -> None:
        if not kill:
            await action()
            return
        name = self._random.choice([*moments.PHASES[phase], "10-38 any time"])
        part = self._random.choice([place.ALL, *self._place.parts])
        nth, delay = self._random.randint(1, 3), self._random.choice([0.0, 0.0, self._random.random() / 50])
        killed = asyncio.Event()

        def hit() -> None:
            if not killed.is_set():
                self._place.kill(part)
                killed.set()

        def heard(change: moments.Change) -> None:
            nonlocal nth
            if change.kind != "ConfigMap":
                self._chatter.due.set()
            if moments.MOMENTS[name](change):
                nth -= 1
                if nth == 0:
                    self._clock.call_later(delay, hit) if delay else hit()

        self._story = [*self._story[-9:], f"{phase}: {part} at {name}"]
        self._watcher.heard = heard
        acting = group.start(_awaited(action()), phase)
        if name.startswith("6-8"):
            self._clock.call_later(delay, hit)
        # a step that does not come (again) is hit at rest
        self._clock.call_later(self._random.random() if name.startswith("10-38") else 1.5, hit)
        await killed.wait()
        self.kills += 1
        self.counts[f"{part} at {name}"] += 1
        resuming = group.start(self._place.resume(), "resume")
        if self._random.random() < 0.15:
            await self._clock.sleep(self._random.random())
            self._place.kill(part)
            self.kills += 1
            self.counts[f"{part} while starting"] += 1
            await resuming
            resuming = group.start(self._place.resume(), "resume")
        await resuming
        await acting

    async def _until(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._watcher.changed.clear()
                    await self._watcher.changed.wait()
        except TimeoutError:
            known = [obj for kind in ("ReplicaSet", "Pod") for obj in self._watcher.of(kind)]
            self._fail_if([f"{what} does not settle:", *(msgspec.json.encode(one).decode() for one in known)])

    def _nodes_ready(self) -> bool:
        nodes = self._watcher.of("Node")
        return bool(nodes) and all(moments.ready(node) for node in nodes)

    def _settled(self, wanted: int) -> bool:
        sets, pods = self._watcher.of("ReplicaSet"), self._watcher.of("Pod")
        if not wanted:
            return not sets and not pods
        counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas"), wanted)
        return (
            len(sets) == 1
            and sets[0]["status"].get("observedGeneration") == sets[0]["metadata"]["generation"]
            and sets[0]["status"].get("terminatingReplicas", 0) == 0
            and all(sets[0]["status"].get(key) == value for key, value in counts.items())
            and len(pods) == wanted
            and all(moments.ready(pod) for pod in pods)
        )

    def _ended(self, phase: str, wanted: int) -> bool:
        """I13: what there is now is what there was without kills."""
        if not self._settled(wanted):
            return False
        found = [moments.canonical(obj) for kind in ("ReplicaSet", "Pod") for obj in self._watcher.of(kind)]
        return found == self._usual.setdefault(phase, found)

    async def _compare(self) -> None:
        present: list[Object] = []
        for kind in ("ReplicaSet", "Pod", "ConfigMap"):
            resource = self._client.dynamic(KINDS[kind], kind)
            present += [plain(one, kind) for one in (await self._sure(lambda r=resource: r.list(NAMESPACE))).items]
        self.notes.compare(present)
        self._fail_if(self.notes.problems)

    def _fail_if(self, problems: list[str]) -> None:
        if problems:
            raise Failed("\n".join([*problems, "kills before:", *self._story]))

    async def _sure(self, write: Callable[[], Awaitable[Any]]) -> Any:
        """Until there is an answer; a 4xx counts as one."""
        while True:
            try:
                return await write()
            except AWAY as error:
                if isinstance(error, errors.StatusError) and error.code < 500 and error.code != 429:
                    raise
                await self._clock.sleep(0.05)

    async def _apply(self) -> None:
        manifest = objects.replica_set("web", replicas=3, image=images.DEMO_IMAGE)
        try:
            made = await self._sure(lambda: self._sets.create(manifest, NAMESPACE))
        except errors.AlreadyExists:
            return  # by a first try whose answer was lost
        self.notes.wrote(plain(made, "ReplicaSet"))

    async def _scale(self, replicas: int) -> None:
        patched = await self._sure(lambda: self._sets.patch("web", {"spec": {"replicas": replicas}}, NAMESPACE))
        self.notes.wrote(plain(patched, "ReplicaSet"))

    async def _delete_pod(self) -> None:
        victim = self._random.choice(sorted(self._watcher.of("Pod"), key=lambda pod: str(pod["metadata"]["name"])))
        await self._gone(self._pods, victim, "")

    async def _delete(self) -> None:
        (victim,) = self._watcher.of("ReplicaSet")
        await self._gone(self._sets, victim, self._random.choice(["Background", "Foreground"]))

    async def _gone(self, resource: rest.Resource[Object], victim: Object, propagation: str) -> None:
        name, uid = victim["metadata"]["name"], victim["metadata"]["uid"]
        self.notes.deleting(uid)
        try:
            await self._sure(lambda: resource.delete(name, NAMESPACE, uid=uid, propagation=propagation))
        except errors.NotFound:
            return  # by a first try whose answer was lost
        self.notes.deleted(uid)


async def _awaited(work: Awaitable[Any]) -> None:
    await work


def choose(sort: str, folder: pathlib.Path, name: str) -> place.Place:
    """A new cluster of that sort."""
    if sort in ("components", "etcd"):
        return place.Components(folder, with_etcd=sort == "etcd")
    return place.Up(folder, name, int(sort == "node"))


async def crash(where: place.Place, kills: int, seed: int, progress: Callable[[str], object] = print) -> Crasher:
    """Start the cluster, run, and leave nothing behind."""
    try:
        await where.resume()
        crasher = Crasher(where, seed)
        await crasher.run(kills, progress)
        if isinstance(where, place.Up) and (said := await where.check()):
            raise Failed(said)
    finally:
        await where.stop()
    return crasher


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", choices=("components", "etcd", "up", "node"), default="components")
    parser.add_argument("--folder", type=pathlib.Path, help="work there, and leave the logs")
    given = parser.parse_args()
    clock = clocks.RealClock()
    start = clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="pybernetes-crash-") as name:
        folder = given.folder or pathlib.Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        where = choose(given.place, folder, f"crash-{given.seed}")
        try:
            done = asyncio.run(crash(where, given.kills, given.seed, lambda text: print(text, flush=True)))
        except Failed as failure:
            print(failure)
            return 1
    for moment, count in sorted(done.counts.items()):
        print(f"{count:4}  {moment}")
    seconds = clock.monotonic() - start
    print(
        f"{done.kills} kills in {seconds:.0f} s: the same end every time; {done.notes.acknowledged} writes "
        f"acknowledged, none lost; {len(done.notes.versions)} resourceVersions seen, none used twice"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
