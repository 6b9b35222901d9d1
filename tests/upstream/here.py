"""The API server of this project behind a TLS socket on loopback, with the certificates and tokens an oracle has.

python tests/upstream/here.py errors/pod -k port -v        # as replay.py, against a server started for it
python tests/upstream/here.py --list                       # names of the cases that differ, nothing else
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import sys
import tempfile
import threading
from types import TracebackType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases
import oracle
import replay
import uvloop

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.cluster import components
from pybernetes.cluster.standalone import apiserver
from pybernetes.http import server as http_server
from pybernetes.storage import memory


class Here:
    """A server without controllers in a thread of its own. A context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="here-")
        self.place = oracle.Oracle(pathlib.Path(self._folder.name))
        self.place.prepare()
        self._ready = threading.Event()
        self._loop = uvloop.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), name="here")
        self.errors: list[str] = []
        """What the event loop says that nobody has caught."""

    def _settings(self) -> apiserver.ApiServerSettings:
        def own(name: str) -> str:
            return str(self.place.folder / name)

        return apiserver.ApiServerSettings(
            data_dir=self.place.folder,
            bind_address="127.0.0.1",
            tls_cert_file=own("serving.crt"),
            tls_private_key_file=own("serving.key"),
            client_ca_file=own("ca.crt"),
            service_cluster_ip_range=oracle.SERVICE_RANGE,
            service_account_issuer=oracle.ISSUER,
            service_account_signing_key_file=own("service-account.key"),
            token_auth_file=own("tokens.csv"),
        )

    async def _serve(self) -> None:
        clock = clocks.RealClock()
        settings = self._settings()
        asyncio.get_running_loop().set_exception_handler(lambda _, about: self.errors.append(str(about)))
        server = app.ApiServer(apiserver.server_config(settings, clock), memory.MemoryBackend(clock=clock), clock)
        context = apiserver.serving_context(settings, clock)
        listening = http_server.Server(
            server.handle, clock=clock, tls=context, settings=components.http_settings(), port=self.place.port
        )
        await server.start()
        await listening.start()
        await server.ready()
        self._ready.set()
        await self._stopping.wait()
        await listening.stop()
        await server.stop()

    def __enter__(self) -> cases.Server:
        self._thread.start()
        if not self._ready.wait(oracle.READY_SECONDS):
            raise oracle.OracleError("the server did not become ready")
        server = cases.Server(self.place.url, self.place.ca, self.place.token)
        server.ensure_namespace()
        server.ensure_namespace("golden-other")
        return server

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()


def main(arguments: list[str]) -> int:
    """Replays the record against a server of its own."""
    parser = argparse.ArgumentParser(description="Compare this project's API server with upstream's recorded answers.")
    parser.add_argument("-v", "--verbose", action="store_true", help="whole differences")
    parser.add_argument("--list", action="store_true", help="only the names of cases that differ")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name contains this")
    parser.add_argument("parts", nargs="*", help="FOLDER or FOLDER/FILE of defaults, errors, patches")
    options = parser.parse_args(arguments)
    with Here() as server:
        if not options.list:
            return 1 if replay.replay(server, options.parts, options.pattern, options.verbose) else 0
        for folder in replay.FOLDERS:
            for name, case in replay.recorded(folder, [], options.pattern):
                if replay.differs(server, case):
                    print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
