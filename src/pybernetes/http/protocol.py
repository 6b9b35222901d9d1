"""One server connection: requests go to the handler one after the other, answers to the transport in the same order.

Path: 2 bytes become a request. Upstream: net/http (conn.serve).

Budget: at most 20 us of CPU for a keep-alive GET answered from memory (TLS included, uvloop), at most 3 us for a piece
of a stream; measured by tests/bench/http_core.py. Hence: one coroutine per request, stepped in place, made a task only
if it waits (`stepping`); repeated header blocks are recognised (`parsing`); no timer per request, the server sweeps
(`sweep`); what a stream writes in one turn of the loop leaves as one write (`writer`).

    reading (see `parsing`)      `_reader.ready` --> `_current`, the request in work --> its answer
    answer `Response`            written; next
    answer `StreamResponse`      `_writer` is set while its `run` works; ends with the last chunk; next
    answer `UpgradeResponse`     `_stream` owns the transport; the connection ends when `run` does
    refused input                its answer is written, input is ignored for a moment (LINGER), then closed
"""

import asyncio
import dataclasses
import email.utils
import logging
from collections.abc import Callable
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.http import messages, parsing, stepping, stream, wire, writer

logger = logging.getLogger(__name__)

_IDLE, _HELD, _DEAF = parsing.State.IDLE, parsing.State.HELD, parsing.State.DEAF

_PIPELINE = 16
_HOLD_LIMIT = 64 * 1024
_LINGER = 0.5
_HALF_CLOSED_GRACE = 2.0
_UPGRADE_GRACE = 10.0


def plain_error(status: int, text: str) -> messages.Response:
    """How net/http answers what no handler sees."""
    if status == 417:
        return messages.Response(status)
    body = f"{status} {messages.reason(status)}" + (f": {text}" if text else "")
    return messages.Response(status, [("Content-Type", "text/plain; charset=utf-8")], body.encode())


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Limits in bytes, times in seconds; how to answer requests that reach no handler."""

    head_limit: int = 1 << 20
    body_limit: int = 3 * 1024 * 1024
    head_timeout: float = 32.0
    body_timeout: float = 60.0
    idle_timeout: float = 120.0
    write_timeout: float = 120.0
    drain_timeout: float = 10.0
    error_response: Callable[[int, str], messages.Response] = plain_error
    name: str = "http"


DEFAULTS = Settings()


class Service:
    """What the connections of one server share."""

    def __init__(self, handler: messages.Handler, clock: clocks.Clock, settings: Settings) -> None:
        self.handler = handler
        self.clock = clock
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.tasks = tasks.TaskGroup(settings.name)
        self.connections: set[ServerConnection] = set()
        self.draining = False
        self.emptied = asyncio.Event()
        self.tick = 0
        shortest = min(settings.head_timeout, settings.body_timeout, settings.idle_timeout, settings.write_timeout)
        self.tick_length = max(0.01, shortest / 8)
        self.limits = {
            parsing.State.IDLE: self._ticks(settings.idle_timeout),
            parsing.State.HEAD: self._ticks(settings.head_timeout),
            parsing.State.BODY: self._ticks(settings.body_timeout),
        }
        self.write_limit = self._ticks(settings.write_timeout)
        self._date_line = b""
        self._date_until = -1.0

    def _ticks(self, seconds: float) -> int:
        return int(seconds / self.tick_length) + 1  # the tick that has begun does not count

    def date_line(self) -> bytes:
        """The Date header, formatted once a second."""
        now = self.clock.monotonic()
        if now >= self._date_until:
            self._date_until = now + 1.0
            self._date_line = f"Date: {email.utils.format_datetime(self.clock.now(), usegmt=True)}\r\n".encode()
        return self._date_line

    def sweep(self) -> None:
        """One tick has passed: cut what took too long."""
        self.tick += 1
        for connection in list(self.connections):
            connection.sweep()

    def lost(self, connection: "ServerConnection") -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self.emptied.set()


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _address(name: Any) -> tuple[str, int]:
    return (name[0], name[1]) if isinstance(name, tuple) else (str(name or ""), 0)


class ServerConnection(asyncio.Protocol):
    """The server's end of one connection."""

    __slots__ = (
        "_current",
        "_half_closed",
        "_linger",
        "_read_paused",
        "_reader",
        "_service",
        "_since",
        "_stream",
        "_task",
        "_tls",
        "_write_paused",
        "_writer",
        "transport",
    )

    transport: asyncio.Transport
    _reader: parsing.RequestReader
    _tls: bool

    def __init__(self, service: Service) -> None:
        self._service = service
        self._since = service.tick
        self._half_closed = False
        self._read_paused = False
        self._write_paused = False
        self._current: parsing.Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._writer: writer.BodyWriter | None = None
        self._stream: stream.TransportStream | None = None
        self._linger: clocks.Timer | None = None

    # the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected (and finished its TLS handshake)."""
        self.transport = transport  # type: ignore[assignment]
        tls = transport.get_extra_info("ssl_object")
        self._tls = tls is not None
        info = messages.ConnectionInfo(
            _address(transport.get_extra_info("peername")),
            local=_address(transport.get_extra_info("sockname")),
            tls=self._tls,
            load_certificate=None if tls is None else lambda: tls.getpeercert(True),
        )
        settings = self._service.settings
        self._reader = parsing.RequestReader(info, settings.head_limit, settings.body_limit, settings.error_response)
        self._service.connections.add(self)
        if self._service.draining:
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse; then answer what is complete."""
        reader = self._reader
        before = reader.state
        reader.feed(data)
        if reader.ready:
            self._since = self._service.tick
            if self._current is None:
                self._serve()
            if len(reader.ready) >= _PIPELINE:
                self._pause_reading()
        elif reader.state is not before:
            self._since = self._service.tick
            if reader.continue_due:
                self._invite_body()
        elif before is _HELD and reader.held_size > _HOLD_LIMIT:
            self._pause_reading()

    def _pause_reading(self) -> None:
        self._read_paused = True
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client will send no more, or is gone: TCP cannot tell. So requests in work get a moment to finish."""
        if self._tls or self._writer is not None or (self._current is None and not self._reader.ready):
            return False
        self._half_closed = True
        self._linger = self._service.clock.call_later(_HALF_CLOSED_GRACE, self.transport.abort)
        return True

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._write_paused = True
        self._since = self._service.tick
        if self._writer is not None:
            self._writer.set_paused(True)

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        self._write_paused = False
        self._since = self._service.tick
        if self._writer is not None:
            self._writer.set_paused(False)
        elif self._current is None:
            self._serve()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone: what still works for it is cancelled (an upgraded stream gets time to see its end)."""
        self._reader.close()
        self._reader.ready.clear()
        if self._linger is not None:
            self._linger.cancel()
        if self._writer is not None:
            self._writer.reader_gone()
        task = self._task
        if task is not None:
            if self._stream is None:
                task.cancel()
            else:
                late = self._service.clock.call_later(_UPGRADE_GRACE, lambda: _cancel(task))
                task.add_done_callback(lambda _: late.cancel())
        self._service.lost(self)

    # the server calls

    def sweep(self) -> None:
        """A tick has passed: has the client been silent, or deaf, for too long?"""
        service = self._service
        age = service.tick - self._since
        if self._stream is not None:
            return
        if self._current is None and not self._write_paused:
            limit = service.limits.get(self._reader.state)
            if limit is not None and age > limit:
                if self._reader.state is _IDLE:
                    self.transport.close()
                else:
                    self.transport.abort()
        elif self._write_paused and self._writer is None and age > service.write_limit:
            self.transport.abort()

    def drain(self) -> None:
        """The server stops: close when idle, end a stream, otherwise close after the answer in work."""
        if self._current is None and not self._reader.ready:
            self.transport.close()
        elif self._writer is not None and self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """The server's patience has ended."""
        self.transport.abort()

    # answers

    def _invite_body(self) -> None:
        """Say `100 Continue`, unless answers to earlier requests are still to come."""
        if self._reader.continue_due and self._current is None:
            self._reader.continue_due = False
            self.transport.write(wire.CONTINUE)

    def _serve(self) -> None:
        """Answer the next requests, in order, as long as none has to wait."""
        service = self._service
        ready = self._reader.ready
        while ready and self._current is None and not self._write_paused and not self.transport.is_closing():
            self._current = exchange = ready.popleft()
            task = stepping.step(self._conduct(exchange), service.tasks, "request", service.loop)
            if task is not None:
                self._task = task
                task.add_done_callback(self._carried_on)
                return
        if self._current is None:
            self._between()

    def _carried_on(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._serve()

    def _between(self) -> None:
        """No request is in work."""
        self._since = self._service.tick
        reader = self._reader
        if reader.state is _DEAF or self.transport.is_closing():
            return
        if self._half_closed or self._service.draining:
            if not reader.ready:
                self.transport.close()
            return
        if reader.state is _HELD:
            held = reader.decline_upgrade()
            if held:
                self._service.loop.call_soon(self.data_received, held)
        if self._read_paused:
            self._read_paused = False
            self.transport.resume_reading()
        self._invite_body()

    async def _conduct(self, exchange: parsing.Exchange) -> None:
        """One request from start to end; the edge where a handler's failure becomes 500."""
        request = exchange.request
        try:
            if request is None:
                assert exchange.refusal is not None
                self._send(exchange, exchange.refusal)
                return
            response = await self._service.handler(request)
            if isinstance(response, messages.Response):
                self._send(exchange, response)
            elif isinstance(response, messages.StreamResponse):
                await self._send_stream(exchange, response)
            else:
                await self._upgrade(response)
        except asyncio.CancelledError:
            self.transport.abort()
        except Exception:  # the edge: whatever a handler raises costs its client the answer, nobody else anything
            logger.exception("%s %s failed", request and request.method, request and request.target)
            if self._writer is None and self._stream is None and not self.transport.is_closing():
                exchange.keep_alive = False
                self._send(exchange, self._service.settings.error_response(500, ""))
            else:
                self.transport.abort()
        finally:
            self._current = None

    def _send(self, exchange: parsing.Exchange, response: messages.Response) -> None:
        """Write a complete answer."""
        request = exchange.request
        body, framing = response.body, self._service.date_line()
        size = len(body) if isinstance(body, bytes) else sum(map(len, body))
        if response.compressible and size > wire.GZIP_THRESHOLD and request and wire.accepts_gzip(request.headers):
            body = response.gzip_body or wire.gzip(body)
            size = len(body)
            framing += b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
        if response.status != 204 and response.status != 304:
            framing += b"Content-Length: %d\r\n" % size
        last = (self._half_closed or self._service.draining) and not self._reader.ready
        close = last or not exchange.keep_alive
        if close:
            framing += b"Connection: close\r\n"
        head = wire.head(response.status, response.headers, response.raw_headers, framing)
        if not size or (request is not None and request.method == "HEAD"):
            self.transport.write(head)
        else:
            for block in wire.blocks([head, body] if isinstance(body, bytes) else [head, *body]):
                self.transport.write(block)
        if exchange.refusal is not None:
            self._close_gently()
        elif close:
            self.transport.close()

    def _close_gently(self) -> None:
        """Close a moment later: unread input would turn the close into a reset, which can destroy the answer."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger = self._service.clock.call_later(_LINGER, self.transport.close)

    async def _send_stream(self, exchange: parsing.Exchange, response: messages.StreamResponse) -> None:
        """Write the head, let the response write its body, write the end."""
        service = self._service
        framing = service.date_line()
        keep_alive = exchange.keep_alive and not service.draining
        if exchange.http_1_1:
            framing += b"Transfer-Encoding: chunked\r\n"
        if not keep_alive:
            framing += b"Connection: close\r\n"
        head = wire.head(response.status, response.headers, response.raw_headers, framing)
        assert exchange.request is not None
        if exchange.request.method == "HEAD":
            self.transport.write(head)
        else:
            out = writer.BodyWriter(self.transport, service.loop, head, chunked=exchange.http_1_1)
            out.set_paused(self._write_paused)
            self._writer = out
            try:
                await response.run(out)
            except asyncio.CancelledError:
                if not service.draining:
                    raise
                keep_alive = False
            out.finish()
            self._writer = None
        if not keep_alive or service.draining:
            self.transport.close()

    async def _upgrade(self, response: messages.UpgradeResponse) -> None:
        """Switch protocols; the connection ends with the response's `run`."""
        if self._reader.state is not _HELD:
            raise ValueError("upgrade of a request that did not ask for one")
        framing = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.protocol.encode()
        self.transport.write(wire.head(101, response.headers, b"", framing))
        self._stream = stream.TransportStream.take_over(
            self.transport, self._reader.take_held(), tls=self._tls, on_lost=self.connection_lost
        )
        self._stream.set_write_paused(self._write_paused)
        try:
            await response.run(self._stream)
        finally:
            self._stream.close()
