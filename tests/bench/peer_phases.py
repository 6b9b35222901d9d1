"""The load phases, the same for any API server: so many requests for each CPU second that the server used.

Closed loop: every connection sends its next request when the last one is answered. Pods name a scheduler that does not
run and no node, so that no component but the API server touches them.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import json
import pathlib
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import peer_client
import peer_processes

NAMESPACE = "bench"
CREATED = "bench-created"
PODS = 1000
WATCHERS = 100
WATCH_CREATES = 300
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"


@dataclasses.dataclass(frozen=True)
class Target:
    """A running server and the processes whose CPU time counts."""

    name: str
    url: str
    ca: pathlib.Path
    token: str
    pids: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """What one phase measured; `done` counts requests, or events for the watch."""

    phase: str
    done: int
    seconds: float
    cpu: float
    median_ms: float
    failures: dict[int, int]

    @property
    def per_cpu_second(self) -> float:
        """The figure compared: requests for each CPU second of the server."""
        return self.done / self.cpu if self.cpu else float("inf")


@dataclasses.dataclass(frozen=True)
class Phase:
    """A repeated request: what the n-th one sends, on how many connections, how often (0: for some time).

    What writes is repeated equally often on both sides: memory after the load is to be that of the same state.
    """

    name: str
    connections: int
    send: Callable[[peer_client.Connection, int], Awaitable[tuple[int, bytes]]]
    times: int = 0


def pod(name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
    """A pod that the server returns as 3.6 KB of JSON (with managedFields)."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": "web", "tier": "front", "pod-template-hash": "6f7d8b9c5d"},
            "annotations": {"example.com/checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        },
        "spec": {
            "schedulerName": "bench",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "web",
                    "image": "registry.example/web:1.2.3",
                    "args": ["--port=8080", "--log-level=info"],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": "MODE", "value": "production"}, {"name": "REGION", "value": "north"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                    "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5},
                    "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
                }
            ],
            "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "config", "configMap": {"name": "web"}}],
        },
    }


def config_map(name: str) -> dict[str, Any]:
    """A small ConfigMap."""
    metadata = {"name": name, "namespace": CREATED}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value", "n": name}}


def phases() -> Iterator[Phase]:
    """All repeated phases, in the order in which they run."""
    collection = f"/api/v1/namespaces/{CREATED}"
    yield Phase("GET pod, 16 conns", 16, lambda c, n: c.request("GET", f"{PODS_PATH}/p{n % PODS}"))
    yield Phase("LIST 1,000 pods, 4 conns", 4, lambda c, n: c.request("GET", PODS_PATH))
    yield Phase("LIST limit=50, 8 conns", 8, lambda c, n: c.request("GET", f"{PODS_PATH}?limit=50"))
    yield Phase("Table limit=500, 4 conns", 4, lambda c, n: c.request("GET", f"{PODS_PATH}?limit=500", accept=TABLE))
    yield Phase(
        "LIST by label, none matches", 4, lambda c, n: c.request("GET", f"{PODS_PATH}?labelSelector=app%3Dnone")
    )
    yield Phase(
        "create ConfigMap, 16 conns",
        16,
        lambda c, n: c.request("POST", f"{collection}/configmaps", json.dumps(config_map(f"c{n}")).encode()),
        5000,
    )
    yield Phase(
        "create Pod, 16 conns",
        16,
        lambda c, n: c.request("POST", f"{collection}/pods", json.dumps(pod(f"c{n}", CREATED)).encode()),
        2000,
    )
    yield Phase(
        "merge patch, 16 conns",
        16,
        lambda c, n: c.request(
            "PATCH", f"{PODS_PATH}/p{n % PODS}", json.dumps({"metadata": {"labels": {"n": str(n)}}}).encode(), MERGE
        ),
        2000,
    )
    yield Phase(
        "status patch, 16 conns",
        16,
        lambda c, n: c.request("PATCH", f"{PODS_PATH}/p{n % PODS}/status", _status(n), STRATEGIC),
        2000,
    )


def _status(n: int) -> bytes:
    ready = {"type": "Ready", "status": "True" if n // PODS % 2 else "False", "reason": f"Round{n // PODS}"}
    return json.dumps({"status": {"phase": "Running", "conditions": [ready]}}).encode()


async def prepare(target: Target) -> None:
    """Namespaces, service accounts and the 1,000 pods that the reading phases read."""
    client = peer_client.Client(target.url, target.ca, target.token)
    async with client.connections(8) as connections:
        first = connections[0]
        for namespace in (NAMESPACE, CREATED):
            body = json.dumps({"metadata": {"name": namespace}}).encode()
            await _expect(first.request("POST", "/api/v1/namespaces", body), 201)
            body = json.dumps({"metadata": {"name": "default"}}).encode()
            await _expect(first.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body), 201, 409)
        numbers = iter(range(PODS))

        async def fill(connection: peer_client.Connection) -> None:
            for n in numbers:
                await _expect(connection.request("POST", PODS_PATH, json.dumps(pod(f"p{n}")).encode()), 201)

        await asyncio.gather(*(fill(one) for one in connections))


async def _expect(answer: Awaitable[tuple[int, bytes]], *codes: int) -> bytes:
    status, body = await answer
    if status not in codes:
        raise RuntimeError(f"answer {status}: {body[:300]!r}")
    return body


async def run_phase(target: Target, phase: Phase, seconds: float) -> Result:
    """Runs one phase and sets its requests against the CPU time that the server used meanwhile."""
    client = peer_client.Client(target.url, target.ca, target.token)
    counter = itertools.count()
    times: list[float] = []
    failures: collections.Counter[int] = collections.Counter()
    async with client.connections(phase.connections) as connections:
        for connection in connections:
            await phase.send(connection, next(counter))
        started = time.perf_counter()
        before = peer_processes.cpu_seconds(target.pids)

        def more() -> bool:
            return len(times) < phase.times if phase.times else time.perf_counter() - started < seconds

        async def drive(connection: peer_client.Connection) -> None:
            while more():
                begun = time.perf_counter()
                status, _ = await phase.send(connection, next(counter))
                times.append(time.perf_counter() - begun)
                if not 200 <= status < 300:
                    failures[status] += 1

        await asyncio.gather(*(drive(one) for one in connections))
        used = peer_processes.cpu_seconds(target.pids) - before
        elapsed = time.perf_counter() - started
    done = len(times) - sum(failures.values())
    return Result(phase.name, done, elapsed, used, statistics.median(times) * 1000, dict(failures))


async def run_watch(target: Target) -> Result:
    """100 watches of one namespace while 300 ConfigMaps are created; every event must arrive everywhere."""
    client = peer_client.Client(target.url, target.ca, target.token)
    collection = f"/api/v1/namespaces/{CREATED}/configmaps"
    wanted = WATCHERS * WATCH_CREATES
    arrived = 0
    complete = asyncio.Event()

    def count(lines: int) -> None:
        nonlocal arrived
        arrived += lines
        if arrived >= wanted:
            complete.set()

    async with client.connections(WATCHERS) as watchers, client.connections(4) as writers:
        # One page suffices to learn the current version.
        listed = await _expect(writers[0].request("GET", f"{collection}?limit=1"), 200)
        version = json.loads(listed)["metadata"]["resourceVersion"]
        for watcher in watchers:
            status = await watcher.watch(f"{collection}?watch=1&resourceVersion={version}", count)
            if status != 200:
                raise RuntimeError(f"watch: answer {status}")
        started = time.perf_counter()
        before = peer_processes.cpu_seconds(target.pids)
        numbers = iter(range(WATCH_CREATES))

        async def write(connection: peer_client.Connection) -> None:
            for n in numbers:
                await _expect(connection.request("POST", collection, json.dumps(config_map(f"w{n}")).encode()), 201)

        await asyncio.gather(*(write(one) for one in writers))
        async with asyncio.timeout(60):
            await complete.wait()
        elapsed = time.perf_counter() - started
        used = peer_processes.cpu_seconds(target.pids) - before
    return Result("watch fan-out, 100 watchers × 300 creates", arrived, elapsed, used, elapsed * 1000, {})
