"""A whole API server in process: memory storage, virtual time, real authentication and authorization."""

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import functools
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apiserver import app
from pybernetes.apiserver.authn import user as users
from pybernetes.crypto import certs
from pybernetes.http import messages
from pybernetes.http import server as http_server
from pybernetes.storage import memory

ADMIN = users.UserInfo("admin", (users.SYSTEM_MASTERS, users.AUTHENTICATED))


class Tokens:
    """Every test's tokens: `admin`, and `user:NAME` for a user without rights of its own."""

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        if token == "admin":
            return ADMIN
        return users.UserInfo(token.removeprefix("user:")) if token.startswith("user:") else None


@dataclasses.dataclass
class Answer:
    """A response, read whole."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Sink:
    """Where a stream writes in a test; `slow` makes it say that it has no room."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pieces: list[bytes] = []
        self.slow = False
        self.room = asyncio.Event()
        self._more = asyncio.Event()

    def write_nowait(self, data: bytes) -> bool:
        self.pieces.append(data)
        self._more.set()
        return not self.slow

    async def write(self, data: bytes) -> None:
        self.write_nowait(data)
        await self.drain()

    async def drain(self) -> None:
        if self.slow:
            await self.room.wait()

    async def heard(self, count: int) -> None:
        """Return when so many events have come."""
        while len(self.events) < count:
            self._more.clear()
            await self._more.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self.pieces).splitlines()]


class Api:
    """Requests to a server in process."""

    def __init__(self, server: app.ApiServer, clock: clocks.VirtualClock) -> None:
        self.server = server
        self.clock = clock
        self.connection = messages.ConnectionInfo()
        self.group = tasks.TaskGroup("streams")

    async def raw(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        token: str = "admin",
    ) -> messages.AnyResponse:
        fields = [("Authorization", f"Bearer {token}")] if token else []
        names = {name.lower() for name, _ in headers}
        fields = [field for field in fields if field[0].lower() not in names] + [*headers]
        request = messages.Request(method, target, messages.Headers.of(fields), body, self.connection)
        return await self.server.handle(request)

    async def send(
        self, method: str, target: str, body: Any = None, *, content: str = "application/json", **headers: str
    ) -> Answer:
        token = headers.pop("token", "admin")
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            fields.append(("Content-Type", content))
        response = await self.raw(method, target, data, fields, token)
        return await self.read(response)

    async def read(self, response: messages.AnyResponse, seconds: float = 0) -> Answer:
        if isinstance(response, messages.StreamResponse):
            sink = Sink()
            run = self.group.start(response.run(sink), "stream")
            await self.clock.advance(seconds or 1.5)
            await asyncio.wait([run])
            return Answer(response.status, _fields(response), b"".join(sink.pieces).decode())
        assert isinstance(response, messages.Response)
        data = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        return Answer(response.status, _fields(response), data.decode())

    @contextlib.asynccontextmanager
    async def watching(self, target: str, **headers: str) -> AsyncIterator[Sink]:
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        response = await self.raw("GET", target, headers=fields)
        assert isinstance(response, messages.StreamResponse)
        sink = Sink()
        run = self.group.start(response.run(sink), "watch")
        await self.clock.advance(0)
        try:
            yield sink
        finally:
            run.cancel()
            await asyncio.wait([run])

    async def get(self, target: str) -> Any:
        answer = await self.send("GET", target)
        assert answer.status == 200, answer.text
        return answer.json

    async def create(self, target: str, obj: dict[str, Any]) -> Any:
        answer = await self.send("POST", target, obj)
        assert answer.status == 201, answer.text
        return answer.json


def _fields(response: messages.Response | messages.StreamResponse) -> list[tuple[str, str]]:
    lines = response.raw_headers.decode().splitlines()
    return [*response.headers, *((line.partition(": ")[0], line.partition(": ")[2]) for line in lines)]


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Api]:
    """A server that is ready, with the namespace `ns` and its service account."""
    clock = clocks.VirtualClock()
    server = app.ApiServer(app.ServerConfig(tokens=(Tokens(),), **settings), memory.MemoryBackend(), clock)
    await server.start()
    await server.ready()
    api = Api(server, clock)
    await api.create("/api/v1/namespaces", {"metadata": {"name": "ns"}})
    await api.create("/api/v1/namespaces/ns/serviceaccounts", {"metadata": {"name": "default"}})
    try:
        yield api
    finally:
        await api.group.cancel()
        await server.stop()


@pytest.fixture
def settings() -> dict[str, Any]:
    """More of the server's configuration; modules have their own."""
    return {}


@pytest.fixture
async def api(settings: dict[str, Any]) -> AsyncIterator[Api]:
    async with running(**settings) as made:
        yield made


Respond = Callable[[dict[str, Any]], dict[str, Any]]
"""From the request of a review to its response."""


@contextlib.asynccontextmanager
async def _webhook(api: Api, folder: Any, respond: Respond) -> AsyncIterator[dict[str, Any]]:
    now = datetime.datetime.now(datetime.UTC)
    authority = certs.new_authority("ca", now=now)
    wanted = certs.Request("webhook", addresses=("127.0.0.1",), client=False, server=True)
    pair = certs.issue(authority, wanted, now=now)
    for name, content in (("cert", pair.certificate), ("key", pair.key)):
        (folder / name).write_bytes(content)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert", folder / "key")

    async def answer(request: messages.Request) -> messages.AnyResponse:
        review = json.loads(request.body)
        made = respond(review["request"])
        if made.get("silent"):
            await asyncio.Event().wait()
        head = {name: review[name] for name in ("apiVersion", "kind")}
        body = made["raw"] if "raw" in made else json.dumps({**head, "response": made})
        return messages.Response(made.get("http", 200), [("Content-Type", "application/json")], body.encode())

    async with http_server.Server(answer, tls=tls, clock=api.clock) as serving:
        bundle = base64.b64encode(authority.certificate).decode()
        yield {"url": f"https://127.0.0.1:{serving.port}/path", "caBundle": bundle}


@pytest.fixture
def webhook(api: Api, tmp_path: Any) -> Callable[[Respond], contextlib.AbstractAsyncContextManager[dict[str, Any]]]:
    """A webhook over a TLS socket on loopback that answers with what a function makes; gives its clientConfig."""
    return functools.partial(_webhook, api, tmp_path)
