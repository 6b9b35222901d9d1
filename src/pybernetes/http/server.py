"""Listening sockets, TLS, and an orderly end.

Path: 2 bytes become a request. Upstream: apiserver/pkg/server (SecureServingInfo.Serve), net/http (Server.Shutdown).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence

from pybernetes.aio import clock as clocks
from pybernetes.http import messages, protocol

Settings = protocol.Settings

_HANDSHAKE_TIMEOUT = 10.0
_BACKLOG = 1024


class Server:
    """One handler behind one or more listening sockets."""

    def __init__(
        self,
        handler: messages.Handler,
        *,
        clock: clocks.Clock,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: Settings = protocol.DEFAULTS,
    ) -> None:
        self._handler = handler
        self._clock = clock
        self._tls = tls
        self._host = host
        self._port = port
        self._settings = settings
        self._listeners: list[asyncio.Server] = []
        self._service: protocol.Service | None = None
        self._timer: clocks.Timer | None = None
        self.addresses: list[tuple[str, int]] = []
        """Where it listens (host, port); for a unix socket its path and 0."""

    @property
    def port(self) -> int:
        """The port of the first listening socket."""
        return self.addresses[0][1]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._service.connections) if self._service else 0

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen on the given bound sockets, otherwise on host and port."""
        service = self._service = protocol.Service(self._handler, self._clock, self._settings)
        loop = asyncio.get_running_loop()

        def connection() -> protocol.ServerConnection:
            return protocol.ServerConnection(service)

        async def listen(bound: socket.socket | None) -> asyncio.Server:
            handshake = _HANDSHAKE_TIMEOUT if self._tls else None
            if bound is None:
                return await loop.create_server(
                    connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    backlog=_BACKLOG,
                    ssl_handshake_timeout=handshake,
                )
            if bound.family == socket.AF_UNIX:
                return await loop.create_unix_server(
                    connection, sock=bound, ssl=self._tls, backlog=_BACKLOG, ssl_handshake_timeout=handshake
                )
            return await loop.create_server(
                connection, sock=bound, ssl=self._tls, backlog=_BACKLOG, ssl_handshake_timeout=handshake
            )

        for given in sockets or (None,):
            listener = await listen(given)
            self._listeners.append(listener)
            for bound in listener.sockets:
                name = bound.getsockname()
                self.addresses.append((name[0], name[1]) if isinstance(name, tuple) else (str(name), 0))
        self._schedule_sweep(service)

    def _schedule_sweep(self, service: protocol.Service) -> None:
        def swept() -> None:
            service.sweep()
            self._schedule_sweep(service)

        self._timer = self._clock.call_later(service.tick_length, swept)

    async def stop(self) -> None:
        """Accept no more, finish the requests in work, end streams; after the drain timeout cut what is left."""
        service = self._service
        if service is None:
            return
        self._service = None
        for listener in self._listeners:
            listener.close()
        service.draining = True
        if service.connections:
            service.emptied.clear()
            for connection in list(service.connections):
                connection.drain()
            patience = self._clock.call_later(self._settings.drain_timeout, service.emptied.set)
            await service.emptied.wait()
            patience.cancel()
            for connection in list(service.connections):
                connection.abort()
        await service.tasks.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._listeners.clear()

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self.stop()
