"""What storage costs: group commit, reads, fan-out. Run: `python tests/bench/storage.py [directory]`.

Commits and reads of the disk in wall time, the rest in processor time (the machine may have other work).
Budgets: GET of a cached object 2 us; an event 3 us for each watcher that it concerns, before the socket.
"""

import asyncio
import json
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import uvloop

from pybernetes.aio.clock import RealClock
from pybernetes.apimachinery import fields, labels
from pybernetes.storage import backend, cached
from pybernetes.storage.listing import ListOptions, WatchOptions
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.sqlite import SqliteBackend
from pybernetes.storage.watchcache import WatchCache

KEY = "/registry/pods/default/"


def pod(name: str, node: str) -> bytes:
    """A stored pod of about 3 KB."""
    container = {
        "name": "c",
        "image": "registry/app:v1",
        "env": [{"name": f"V{n}", "value": "x" * 20} for n in range(60)],
    }
    metadata = {"name": name, "namespace": "default", "labels": {"app": "web", "n": name[-1]}}
    spec = {"nodeName": node, "containers": [container]}
    return json.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}).replace(" ", "").encode()


def extract(obj: dict) -> dict[str, str]:  # type: ignore[type-arg]
    return {"metadata.name": obj["metadata"]["name"], "spec.nodeName": obj["spec"]["nodeName"]}


def say(what: str, seconds: float, count: int) -> None:
    print(f"{what:58} {seconds / count * 1e6:9.2f} us  {count / seconds:10.0f}/s")


async def commits(path: pathlib.Path, writers: int, *, busy: bool = False) -> None:
    """That many writers, each one write after the other; `busy`: beside a task that never lets the loop rest."""
    store = SqliteBackend(path / f"commits{writers}{busy}.db", clock=RealClock())
    await store.start()
    value, count, running = pod("p", "n"), max(300, writers * 60), True

    async def write(number: int) -> None:
        for turn in range(count // writers):
            await store.create(f"{KEY}{number}-{turn}", value)

    async def spin() -> None:
        while running:
            until = time.perf_counter() + 0.0005
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    spinning = asyncio.ensure_future(spin()) if busy else None
    started = time.perf_counter()
    await asyncio.gather(*(write(number) for number in range(writers)))
    say(f"sqlite create, {writers} writers{', busy loop' if busy else ''}", time.perf_counter() - started, count)
    running = False
    if spinning is not None:
        await spinning
    started = time.perf_counter()
    for turn in range(1000):
        await store.get(f"{KEY}0-{turn % 3}")
    say("sqlite get", time.perf_counter() - started, 1000)
    started = time.perf_counter()
    listed = await store.list(KEY)
    say(f"sqlite list of {len(listed.records)}, each", time.perf_counter() - started, len(listed.records))
    await store.close()


async def reads(objects: int) -> None:
    """Point reads and lists of the watch cache."""
    store = MemoryBackend()
    for number in range(objects):
        await store.create(f"{KEY}p{number:05}", pod(f"p{number:05}", f"n{number % 100}"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cache = WatchCache(store, "/registry/pods", clock=RealClock(), extract=extract)
    await cache.start()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = len(cache.get(f"{KEY}p00000").data)  # type: ignore[union-attr]
    print(f"{objects} pods of {size} bytes: {(after - before) / objects:.2f} KB each in the cache")
    started = time.process_time()
    for number in range(100_000):
        cache.get(f"{KEY}p{number % objects:05}")
    say("cached get, key formatting included", time.process_time() - started, 100_000)
    for what, options in {
        "list all": ListOptions(resource_version="0"),
        "list first by label (draws labels out)": ListOptions(selection=select("n=1")),
        "list by label": ListOptions(selection=select("n=1")),
        "list by node": ListOptions(selection=select("", "spec.nodeName=n7")),
        "list 500 of them": ListOptions(limit=500),
    }.items():
        started = time.process_time()
        page = await cache.list("", options)
        say(f"{what}: {len(page.items)}, per object looked at", time.process_time() - started, objects)
    await cache.stop()


def select(label_selector: str = "", field_selector: str = "") -> cached.Selection:
    return cached.Selection(labels.parse(label_selector), fields.parse(field_selector))


async def fan_out(what: str, count: int, selection: Callable[[int], cached.Selection]) -> None:
    """One update told to many watchers, each taking the encoded line."""
    store = MemoryBackend()
    cache = WatchCache(store, "/registry/pods", clock=RealClock(), extract=extract)
    await cache.start()
    record: backend.Record = await store.create(KEY + "p1", pod("p1", "n1"))
    taken = 0

    def deliver(events: Sequence[cached.WatchEvent]) -> None:
        nonlocal taken
        for event in events:
            taken += len(event.line) > 0

    for number in range(count):
        watcher = await cache.watch(
            "", WatchOptions(resource_version=str(record.mod_revision), selection=selection(number))
        )
        watcher.attach(deliver)
    updates, value = 500, pod("p1", "n1")
    started = time.process_time()
    for _ in range(updates):
        record = await store.update(KEY + "p1", value, expected=record.mod_revision)
    seconds = time.process_time() - started
    say(f"fan-out to {count} watchers, {what}: an update", seconds, updates)
    say("                    … for each watcher and event", seconds, updates * count)
    await cache.stop()


async def main(folder: pathlib.Path) -> None:
    for writers in (1, 8, 32, 128):
        await commits(folder, writers)
    await commits(folder, 32, busy=True)
    await reads(10_000)
    await fan_out("everything", 1, lambda _: cached.EVERYTHING)
    await fan_out("everything", 100, lambda _: cached.EVERYTHING)
    await fan_out("label selector", 100, lambda _: select("app=web"))
    await fan_out("own node", 1000, lambda number: select("", f"spec.nodeName=n{number}"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        uvloop.run(main(pathlib.Path(name)))
