"""A way into a test's cluster for clients of other processes: a TLS socket on loopback, and kubeconfigs for it."""

import dataclasses
import pathlib
import tempfile

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig
from pybernetes.cluster import components
from pybernetes.crypto import certs
from pybernetes.http import messages, tls
from pybernetes.http import server as http_server

ADDRESS = "127.0.0.1"
LIFETIME = 100 * certs.YEAR
"""Virtual time and that of other processes are far apart."""


class Outside:
    """Serves one API server on a free port."""

    def __init__(self, handler: messages.Handler, secrets: components.Secrets, clock: clocks.Clock) -> None:
        self.handler = handler
        self._authority = secrets.authority
        self._clock = clock
        serving = certs.Request(
            "kube-apiserver", dns_names=("localhost",), addresses=(ADDRESS,), client=False, server=True
        )
        pair = certs.issue(self._authority, serving, now=clock.now(), lifetime=LIFETIME)
        context = tls.server_context(pair.certificate, pair.key, self._authority.certificate)
        self._server = http_server.Server(
            lambda request: self.handler(request),
            clock=clocks.RealClock(),  # it is real time on the other side of a socket
            tls=context,
            host=ADDRESS,
            settings=dataclasses.replace(components.http_settings(), drain_timeout=0.0),
        )
        self._directory = tempfile.TemporaryDirectory(prefix="pybernetes-test-")

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Listen no more; the kubeconfigs are gone."""
        await self._server.stop()
        self._directory.cleanup()

    def kubeconfig(self, user: str, groups: tuple[str, ...]) -> pathlib.Path:
        """A file with the identity of that user."""
        pair = certs.issue(self._authority, certs.Request(user, groups), now=self._clock.now(), lifetime=LIFETIME)
        access = kubeconfig.Access(
            "test",
            f"https://{ADDRESS}:{self._server.port}",
            self._authority.certificate,
            cert_pem=pair.certificate,
            key_pem=pair.key,
        )
        path = pathlib.Path(self._directory.name) / f"{user.replace(':', '-').replace('/', '-')}.conf"
        kubeconfig.write_access(path, access)
        return path
