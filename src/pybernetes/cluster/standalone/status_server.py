"""Health and metrics of a component without another server: /healthz, /livez and /readyz for all, the rest by right.

Whoever asks for more shows a certificate or a bearer token; whose that is, and who may, is the API server's to say.
Upstream: k8s.io/apiserver/pkg/server (healthz, routes), pkg/server/options (delegating authentication, authorization).
"""

import dataclasses
import datetime
import pathlib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence

from pybernetes.aio import clock as clocks
from pybernetes.api.types import authentication, authorization
from pybernetes.apimachinery import errors
from pybernetes.apiserver.authn import authenticator, x509
from pybernetes.apiserver.authn import user as users
from pybernetes.client import rest, transport
from pybernetes.cluster.standalone import connections
from pybernetes.crypto import certs
from pybernetes.http import messages, tls
from pybernetes.http import server as http_server
from pybernetes.telemetry import health, logs, metrics

logger = logs.get("secureserving")

HEALTH = ("/healthz", "/livez", "/readyz")
Pages = Callable[[str, Mapping[str, Sequence[str]]], tuple[str, bytes] | None]
"""From the rest of a path and the query to content type and body."""
_TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]


@dataclasses.dataclass(frozen=True, slots=True)
class Serving:
    """Where to listen (port 0: nowhere), and with which certificate."""

    address: str = "0.0.0.0"
    port: int = 0
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    """The authority of those who show certificates."""

    def client_ca(self) -> bytes | None:
        """That authority's certificate. Raises SettingsError."""
        try:
            return pathlib.Path(self.client_ca_file).read_bytes() if self.client_ca_file else None
        except OSError as error:
            raise connections.SettingsError(f"--client-ca-file: {error}") from error


class StatusServer:
    """The server; `checks` is what the health paths run."""

    def __init__(self, serving: Serving, client: rest.Client, clock: clocks.Clock) -> None:
        self.checks = health.Checks("healthz", ping=False)
        self._mounted: dict[str, Pages] = {}
        self._client = client
        self._serving = serving
        self._server: http_server.Server | None = None
        self._clock = clock

    def mount(self, prefix: str, pages: Pages) -> None:
        """Show these below the prefix, to whoever may see them."""
        self._mounted[prefix] = pages

    async def start(self) -> None:
        """Listen, if there is a port."""
        serving = self._serving
        if not serving.port:
            return
        context = server_context(serving.cert_file, serving.key_file, self._clock.now(), serving.client_ca())
        self._server = http_server.Server(
            self.handle, clock=self._clock, tls=context, host=serving.address, port=serving.port
        )
        try:
            await self._server.start()
        except OSError as error:
            where = f"{serving.address}:{serving.port}"
            raise connections.SettingsError(f"--secure-port: cannot listen on {where}: {error.strerror}") from error
        logger.info("Serving securely on %s:%s", serving.address, serving.port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            await self._server.stop()

    async def handle(self, request: messages.Request) -> messages.Response:
        """Answer one request."""
        if request.path in HEALTH:
            return self._health(request)
        try:
            refusal = await self._refusal(request)
        except (errors.StatusError, transport.TransportError) as error:
            return messages.Response(500, [*_TEXT], f"Internal Server Error: {error}\n".encode())
        if refusal is not None:
            return refusal
        if request.path == "/metrics":
            return messages.Response(200, [*_TEXT], metrics.DEFAULT.render(), compressible=True)
        for prefix, pages in self._mounted.items():
            rest_of_path = request.path.removeprefix(prefix)
            if rest_of_path != request.path and (page := pages(rest_of_path, request.query)) is not None:
                return messages.Response(200, [("Content-Type", page[0]), _TEXT[1]], page[1])
        return messages.Response(404, [*_TEXT], b"404 page not found\n")

    def _health(self, request: messages.Request) -> messages.Response:
        report = self.checks.run(verbose="verbose" in request.query, exclude=request.query.get("exclude", ()))
        return messages.Response(200 if report.ok else 500, [*_TEXT], report.text.encode())

    async def _refusal(self, request: messages.Request) -> messages.Response | None:
        """Why the caller may not see this; None when it may."""
        try:
            user, groups = await self._caller(request)
        except authenticator.RejectedError:
            return messages.Response(401, [*_TEXT], b"Unauthorized\n")
        path = authorization.NonResourceAttributes(path=request.path, verb=request.method.lower())
        spec = authorization.SubjectAccessReviewSpec(nonResourceAttributes=path, user=user, groups=groups)
        asked = authorization.SubjectAccessReview(spec=spec)
        answer = await self._client.resource(authorization.SubjectAccessReview).create(asked)
        if answer.status.allowed:
            return None
        text = f'Forbidden: User "{user}" cannot {request.method.lower()} path "{request.path}"\n'
        return messages.Response(403, [*_TEXT], text.encode())

    async def _caller(self, request: messages.Request) -> tuple[str, tuple[str, ...]]:
        """Name and groups. Raises RejectedError."""
        if (certificate := request.connection.peer_certificate) is not None:
            known = x509.CertificateAuthenticator(self._clock).authenticate_certificate(certificate)
            if known is not None:
                return known.name, known.groups
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return users.ANONYMOUS, (users.UNAUTHENTICATED,)
        question = authentication.TokenReview(spec=authentication.TokenReviewSpec(token=token.strip()))
        review = await self._client.resource(authentication.TokenReview).create(question)
        if not review.status.authenticated:
            raise authenticator.RejectedError("the API server does not know this token")
        return review.status.user.username, review.status.user.groups


def server_context(
    cert_file: str, key_file: str, now: datetime.datetime, client_ca: bytes | None = None
) -> ssl.SSLContext:
    """TLS with the certificate of those files, or with one made for this process."""
    if cert_file and key_file:
        try:
            certificate, key = pathlib.Path(cert_file).read_bytes(), pathlib.Path(key_file).read_bytes()
            return tls.server_context(certificate, key, client_ca)
        except (OSError, ssl.SSLError) as error:
            raise connections.SettingsError(f"--tls-cert-file, --tls-private-key-file: {error}") from error
    if cert_file or key_file:
        raise connections.SettingsError("--tls-cert-file and --tls-private-key-file are given together or not at all")
    pair = self_signed(now)
    return tls.server_context(pair.certificate, pair.key, client_ca)


def self_signed(now: datetime.datetime, addresses: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> certs.Pair:
    """A certificate for this machine from an authority that nobody else knows (its certificate is appended)."""
    host = socket.gethostname()
    authority = certs.new_authority(f"{host}-ca", now=now)
    request = certs.Request(
        host,
        dns_names=tuple(dict.fromkeys((host, "localhost", *names))),
        addresses=tuple(dict.fromkeys(("127.0.0.1", *addresses))),
        client=False,
        server=True,
    )
    pair = certs.issue(authority, request, now=now)
    return certs.Pair(pair.certificate + authority.certificate, pair.key)
