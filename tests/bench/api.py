"""What a request costs in the API server, `handle(request)` alone. Run: `python tests/bench/api.py [NAME]`.

No sockets, memory storage, 1,000 pods of upstream's golden file with managedFields. Processor time. With a NAME that
phase is profiled. Budgets: GET of a pod 60 us end to end (40 us here), LIST of 1,000 pods below upstream's 60 ms.
"""

import asyncio
import cProfile
import gc
import json
import pathlib
import pstats
import resource
import sys
import time
from collections.abc import Awaitable, Callable

import yaml

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.apiserver.authn import user as users
from pybernetes.http import messages
from pybernetes.storage import memory

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "upstream" / "defaults" / "pod.input.yaml"
PODS = "/api/v1/namespaces/default/pods"
JSON, MERGE = "application/json", "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Tokens:
    """One token for one administrator."""

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        return users.UserInfo("admin", (users.SYSTEM_MASTERS, users.AUTHENTICATED)) if token == "t" else None


class Bench:
    """A server and one connection to it."""

    def __init__(self) -> None:
        self.server = app.ApiServer(app.ServerConfig(tokens=(Tokens(),)), memory.MemoryBackend(), clocks.RealClock())
        self._connection = messages.ConnectionInfo()
        self._headers: dict[tuple[str, str], messages.Headers] = {}

    async def send(self, method: str, target: str, body: bytes = b"", content: str = "", accept: str = JSON) -> None:
        headers = self._headers.get((content, accept))
        if headers is None:
            fields = [("authorization", "Bearer t"), ("accept", accept), ("user-agent", "bench/1")]
            fields += [("content-type", content)] if content else []
            headers = self._headers[(content, accept)] = messages.Headers.of(fields)
        response = await self.server.handle(messages.Request(method, target, headers, body, self._connection))
        assert isinstance(response, messages.Response)
        assert response.status < 300, response.body


def phases(bench: Bench) -> dict[str, tuple[int, Callable[[int], Awaitable[None]]]]:
    """Name → how often, and what."""
    pod = yaml.safe_load(GOLDEN.read_text())
    pod["metadata"].pop("namespace", None)
    send = bench.send

    def named(name: str) -> bytes:
        return json.dumps({**pod, "metadata": {**pod["metadata"], "name": name}}).encode()

    pods = [named(f"p{number}") for number in range(1000)]
    config = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c%d"},"data":{"a":"b"}}'
    status = b'{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","message":"%d"}]}}'
    label = b'{"metadata":{"labels":{"x":"%d"}}}'
    return {
        "create pod": (1000, lambda n: send("POST", PODS, pods[n], JSON)),
        "create configmap": (1000, lambda n: send("POST", PODS.replace("pods", "configmaps"), config % n, JSON)),
        "get pod": (5000, lambda n: send("GET", f"{PODS}/p{n % 1000}")),
        "list 1000 pods": (20, lambda n: send("GET", PODS)),
        "list limit=50": (200, lambda n: send("GET", f"{PODS}?limit=50")),
        "list by label, no match": (20, lambda n: send("GET", f"{PODS}?labelSelector=nope%3Dx")),
        "table limit=500": (10, lambda n: send("GET", f"{PODS}?limit=500", accept=TABLE)),
        "merge patch": (1000, lambda n: send("PATCH", f"{PODS}/p{n}", label % n, MERGE)),
        "strategic status patch": (1000, lambda n: send("PATCH", f"{PODS}/p{n}/status", status % n, STRATEGIC)),
        "delete pod": (1000, lambda n: send("DELETE", f"{PODS}/p{n}")),
    }


async def main(profiled: str) -> None:
    """Run every phase."""
    started = time.perf_counter()
    bench = Bench()
    await bench.server.start()
    await bench.server.ready()
    print(f"{'start to ready':28s}{(time.perf_counter() - started) * 1e3:10.1f} ms")
    account = b'{"metadata":{"name":"default"}}'
    await bench.send("POST", PODS.replace("pods", "serviceaccounts"), account, JSON)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)
    for name, (count, call) in phases(bench).items():
        profile = cProfile.Profile()
        if name == profiled:
            profile.enable()
        before = time.process_time()
        for number in range(count):
            await call(number)
        spent = time.process_time() - before
        profile.disable()
        print(f"{name:28s}{spent / count * 1e6:10.1f} us")
        if name == profiled:
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    print(f"{'peak memory':28s}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10.1f} MB")
    await bench.server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
