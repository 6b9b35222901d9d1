"""The API server of this project in the same process, as something the recorded cases can be put to.

python tests/upstream/in_process.py errors/pod -k port -v        # as replay.py, without a socket
python tests/upstream/in_process.py --list                       # names of the cases that differ, nothing else
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import pathlib
import sys
from types import TracebackType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases
import replay

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.apiserver.authn import x509
from pybernetes.client import transport
from pybernetes.crypto import certs, jwt
from pybernetes.http import messages
from pybernetes.storage import memory

ADMIN = "admin"
PATIENCE = 5.0


class InProcessServer(cases.Server):
    """A server without controllers; every request is answered on an event loop of its own. A context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        clock = clocks.RealClock()
        authority = certs.new_authority("kubernetes", now=clock.now())
        settings = app.ServerConfig(
            certificate=x509.CertificateAuthenticator(clock), service_account_keys=jwt.Keys(certs.new_key())
        )
        self.server = app.ApiServer(settings, memory.MemoryBackend(clock=clock), clock)
        pair = certs.issue(authority, certs.Request(ADMIN, ("system:masters",)), now=clock.now())
        shown = certs.to_der(pair.certificate)
        self._connection = messages.ConnectionInfo(("127.0.0.1", 0), tls=True, load_certificate=lambda: shown)
        self._resources = {}

    def __enter__(self) -> InProcessServer:
        self._loop.run_until_complete(self.server.start())
        self._loop.run_until_complete(self.server.ready())
        self.ensure_namespace()
        self.ensure_namespace("golden-other")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self.server.stop())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request, straight to the handler."""
        sent = {"Accept": "application/json", **(headers or {})}
        fields = messages.Headers.of((name, value) for name, value in sent.items() if value)
        request = messages.Request(method, path, fields, body or b"", self._connection)
        return self._loop.run_until_complete(self._answer(request))

    async def _answer(self, request: messages.Request) -> tuple[int, http.client.HTTPMessage, bytes]:
        async with asyncio.timeout(PATIENCE):
            answer = await self.server.handle(request)
            if isinstance(answer, messages.StreamResponse):
                source = transport.MemoryStream(answer)
                try:
                    body = await source.read()
                finally:
                    await source.close()
            elif isinstance(answer, messages.UpgradeResponse):
                raise LookupError("an upgrade")
            else:
                body = b"".join(answer.body) if isinstance(answer.body, list) else answer.body
        lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in answer.headers) + answer.raw_headers
        return answer.status, http.client.parse_headers(io.BytesIO(lines + b"\r\n")), body


def main(arguments: list[str]) -> int:
    """Replays the record against a server of its own."""
    parser = argparse.ArgumentParser(description="Compare this project's API server with upstream's recorded answers.")
    parser.add_argument("-v", "--verbose", action="store_true", help="whole differences")
    parser.add_argument("--list", action="store_true", help="only the names of cases that differ")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name contains this")
    parser.add_argument("parts", nargs="*", help="FOLDER or FOLDER/FILE of defaults, errors, patches")
    options = parser.parse_args(arguments)
    with InProcessServer() as server:
        if not options.list:
            return 1 if replay.replay(server, options.parts, options.pattern, options.verbose) else 0
        for folder in replay.FOLDERS:
            for name, case in replay.recorded(folder, [], options.pattern):
                if differs(server, case):
                    print(name)
    return 0


def differs(server: InProcessServer, case: dict[str, object]) -> str:
    """The difference between upstream's answer and this server's, "" for none."""
    try:
        return replay.difference(*replay.answer(server, case))
    except (LookupError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
