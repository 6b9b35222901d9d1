"""A tiny scripted server behind the in-process transport: the outer edge of the client's unit tests.

It keeps objects by path and knows get, list, create, merge patch, delete and watch, so that a test can say what happens
on the server and look at what the client does. It can lose its history, cut watches, and fail on command.
"""

import asyncio
import copy
from typing import Any
from urllib import parse

import msgspec
import pytest

from pybernetes.aio import clock
from pybernetes.apimachinery import errors
from pybernetes.client import rest, transport
from pybernetes.http import messages


def _answer(status: int, value: Any, headers: list[tuple[str, str]] | None = None) -> messages.Response:
    return messages.Response(
        status, [("Content-Type", "application/json"), *(headers or [])], msgspec.json.encode(value)
    )


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


class ScriptedServer:
    """Objects by path, a history, and a list of what was asked."""

    def __init__(self) -> None:
        self.revision = 100
        self.oldest = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, str, str, dict[str, Any]]] = []
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.headers: list[messages.Headers] = []
        self.faults: list[messages.AnyResponse | errors.StatusError | None] = []
        """Answers for the next requests, instead of the real ones; None lets one pass."""
        self.hang: asyncio.Event | None = None
        self.streams_lists = True
        self._changed = asyncio.Event()
        self._cut = 0

    # what a test does

    def put(self, path: str, **fields: Any) -> dict[str, Any]:
        """Store an object behind the client's back."""
        collection, _, name = path.rpartition("/")
        known = path in self.objects
        self.revision += 1
        parts = collection.split("/")
        namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", **fields.pop("metadata", {})}
        metadata["resourceVersion"] = str(self.revision)
        self.objects[path] = {**fields, "metadata": {k: v for k, v in metadata.items() if v}}
        self._record("MODIFIED" if known else "ADDED", path)
        return self.objects[path]

    def remove(self, path: str) -> None:
        """Delete an object behind the client's back."""
        self.revision += 1
        self.objects[path]["metadata"]["resourceVersion"] = str(self.revision)
        self._record("DELETED", path)
        del self.objects[path]

    def forget_history(self) -> None:
        """Watches from before now get 410 Gone."""
        self.oldest = self.revision

    def cut_watches(self) -> None:
        """End all open watches in good order."""
        self._cut += 1
        self._wake()

    def count(self, method: str, fragment: str = "") -> int:
        """How many requests of a method had that in their target."""
        return sum(one == method and fragment in target for one, target in self.requests)

    def _record(self, kind: str, path: str) -> None:
        self.history.append((self.revision, kind, path, copy.deepcopy(self.objects[path])))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # what the client sees

    async def handle(self, request: messages.Request) -> messages.AnyResponse:
        self.requests.append((request.method, parse.unquote(request.target)))
        self.bodies.append(msgspec.json.decode(request.body) if request.body else None)
        self.headers.append(request.headers)
        if self.hang is not None:
            await self.hang.wait()
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, errors.StatusError):
            return _answer(fault.code, fault.status())
        if fault is not None:
            return fault
        try:
            return self._respond(request)
        except errors.StatusError as error:
            return _answer(error.code, error.status())

    def _respond(self, request: messages.Request) -> messages.AnyResponse:
        path, query = request.path, request.query
        if query.get("watch"):
            if query.get("sendInitialEvents") and not self.streams_lists:
                raise errors.Invalid("ListOptions.meta.k8s.io", "", [])
            return messages.StreamResponse(200, [], lambda writer: self._watch(path, query, writer))
        if request.method == "POST":
            body = msgspec.json.decode(request.body)
            target = f"{path}/{body['metadata']['name']}"
            if target in self.objects:
                raise errors.AlreadyExists("things", body["metadata"]["name"])
            return _answer(201, self.put(target, **body))
        name = path.rpartition("/")[2]
        if path in self.objects:
            return self._respond_about(request, path, name)
        items = [obj for key, obj in self.objects.items() if self._within(key, path)]
        if not items and not name.endswith("s"):
            raise errors.NotFound("things", name)
        return self._list(items, query)

    def _respond_about(self, request: messages.Request, path: str, name: str) -> messages.Response:
        obj = self.objects[path]
        if request.method in ("PATCH", "PUT"):
            given = msgspec.json.decode(request.body)
            version = (given.get("metadata") or {}).get("resourceVersion")
            if version and version != obj["metadata"]["resourceVersion"]:
                raise errors.Conflict("things", name)
            changed = copy.deepcopy(obj) if request.method == "PATCH" else {}
            _merge(changed, given)
            return _answer(200, self.put(path, **changed))
        if request.method == "DELETE":
            self.remove(path)
            return _answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        return _answer(200, obj)

    @staticmethod
    def _within(key: str, collection: str) -> bool:
        parent = key.rpartition("/")[0]
        if parent == collection:
            return True
        head, _, plural = collection.rpartition("/")
        return parent.startswith(f"{head}/namespaces/") and parent.endswith(f"/{plural}")

    def _list(self, items: list[dict[str, Any]], query: dict[str, list[str]]) -> messages.Response:
        limit = int(query.get("limit", ["0"])[0])
        start = int(query.get("continue", ["0"])[0])
        if start and start < self.oldest:
            raise errors.Expired("The provided continue parameter is too old")
        metadata: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if limit and start + limit < len(items):
            metadata["continue"] = str(start + limit)
            items = items[start : start + limit]
        else:
            items = items[start:]
        return _answer(200, {"kind": "ThingList", "apiVersion": "v1", "metadata": metadata, "items": items})

    async def _watch(self, path: str, query: dict[str, list[str]], writer: messages.StreamWriter) -> None:
        position, cut = int(query.get("resourceVersion", ["0"])[0]), self._cut
        if query.get("sendInitialEvents"):
            for key, obj in list(self.objects.items()):
                if self._within(key, path):
                    await writer.write(msgspec.json.encode({"type": "ADDED", "object": obj}) + b"\n")
            position = self.revision
            end = {"resourceVersion": str(position), "annotations": {"k8s.io/initial-events-end": "true"}}
            await writer.write(msgspec.json.encode({"type": "BOOKMARK", "object": {"metadata": end}}) + b"\n")
        if position < self.oldest:
            gone = errors.Expired(f"too old resource version: {position} ({self.oldest})")
            await writer.write(msgspec.json.encode({"type": "ERROR", "object": gone.status()}) + b"\n")
            return
        while cut == self._cut:
            changed = self._changed
            for revision, kind, key, obj in self.history:
                if revision > position and self._within(key, path):
                    await writer.write(msgspec.json.encode({"type": kind, "object": obj}) + b"\n")
            position = self.revision
            await changed.wait()


@pytest.fixture
def server() -> ScriptedServer:
    """A server without objects."""
    return ScriptedServer()


@pytest.fixture
def virtual() -> clock.VirtualClock:
    """Time that moves only when the test says so."""
    return clock.VirtualClock()


@pytest.fixture
async def client(server: ScriptedServer, virtual: clock.VirtualClock) -> Any:
    """A client of that server."""
    one = rest.Client(transport.InProcessTransport(server.handle), virtual, "test/1")
    yield one
    await one.close()
