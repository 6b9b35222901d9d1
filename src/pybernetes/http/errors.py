"""What can go wrong on a connection.

    HttpError
    ├── ConnectError        no connection could be made (refused, unreachable, name or TLS failure)
    ├── ReadTimeout         the peer did not answer in time
    ├── ProtocolError       the peer sent something that is not HTTP, WebSocket or SPDY
    ├── ConnectionClosed    the connection ended before the message did
    └── UpgradeRefused      the server answered a request for another protocol in HTTP

Pure.
"""


class HttpError(Exception):
    """Base of everything this package raises."""


class ConnectError(HttpError):
    """No connection could be made."""


class ReadTimeout(HttpError):
    """The peer did not answer in time."""


class ProtocolError(HttpError):
    """The peer broke the rules of the protocol."""


class ConnectionClosed(HttpError):
    """The connection ended before the message did."""


class UpgradeRefused(HttpError):
    """The server did not switch protocols; its answer says why."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(
            f"server answered {status} instead of switching protocols: {body[:500].decode(errors='replace')}"
        )
        self.status = status
        self.headers = headers
        self.body = body
