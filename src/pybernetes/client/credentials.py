"""Where a server is and who the caller is: addresses, certificates, tokens; files are read again when they change.

Upstream: client-go/rest (Config), client-go/transport (token_source.go, cert_rotation.go).
"""

import base64
import dataclasses
import os
import pathlib
import ssl

from pybernetes.aio import clock as clocks
from pybernetes.http import tls

SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_PERIOD = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """A server and an identity; data wins over the file of the same name, a token over a token file over a password."""

    server: str
    ca_data: bytes = b""
    ca_file: str = ""
    cert_data: bytes = b""
    cert_file: str = ""
    key_data: bytes = dataclasses.field(default=b"", repr=False)
    key_file: str = ""
    token: str = dataclasses.field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    server_name: str = ""
    insecure: bool = False
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()
    namespace: str = "default"

    def impersonating(self, user: str, groups: tuple[str, ...] = ()) -> "Credentials":
        """The same caller, acting as somebody else."""
        return dataclasses.replace(self, impersonate_user=user, impersonate_groups=groups)


class NotInCluster(Exception):
    """The process does not run in a pod."""


def in_cluster() -> Credentials:
    """The server and the service account of the pod that this process runs in."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    token = SERVICE_ACCOUNT / "token"
    if not host or not port or not token.exists():
        raise NotInCluster(
            "unable to load in-cluster configuration, "
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
        )
    namespace = SERVICE_ACCOUNT / "namespace"
    return Credentials(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca_file=str(SERVICE_ACCOUNT / "ca.crt"),
        token_file=str(token),
        namespace=namespace.read_text("utf-8").strip() if namespace.exists() else "default",
    )


class TokenFile:
    """The token in a file, read again after a minute (the kubelet renews projected tokens)."""

    def __init__(self, path: str, clock: clocks.Clock) -> None:
        self._path = pathlib.Path(path)
        self._clock = clock
        self._token = ""
        self._read_at = -_TOKEN_PERIOD

    def __call__(self) -> str:
        """The token; the last one that could be read if the file is gone or empty for the moment."""
        now = self._clock.monotonic()
        if not self._token or now - self._read_at >= _TOKEN_PERIOD:
            try:
                self._token = self._path.read_text("utf-8").strip() or self._token
            except OSError:
                if not self._token:
                    raise
            self._read_at = now
        return self._token

    def expire(self) -> None:
        """The server refused the token: look at the file at the next request."""
        self._read_at = -_TOKEN_PERIOD


class Identity:
    """Turns credentials into request headers and TLS contexts."""

    def __init__(self, credentials: Credentials, clock: clocks.Clock) -> None:
        self.credentials = credentials
        file = credentials.token_file
        self._token_file = TokenFile(file, clock) if file and not credentials.token else None
        self._context: ssl.SSLContext | None = None
        self._context_of: tuple[tuple[str, int, int], ...] = ()

    def headers(self) -> dict[str, str]:
        """Authorization and impersonation."""
        credentials = self.credentials
        headers: dict[str, str] = {}
        token = self._token_file() if self._token_file is not None else credentials.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif credentials.username:
            pair = f"{credentials.username}:{credentials.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
        if credentials.impersonate_user:
            headers["Impersonate-User"] = credentials.impersonate_user
        return headers

    def refused(self) -> None:
        """The server answered 401."""
        if self._token_file is not None:
            self._token_file.expire()

    def context(self) -> ssl.SSLContext:
        """The TLS context; a new one when a certificate file has changed."""
        stamps = self._stamps()
        if self._context is None or stamps != self._context_of:
            one = self.credentials
            self._context = tls.client_context(
                _material(one.ca_data, one.ca_file),
                _material(one.cert_data, one.cert_file),
                _material(one.key_data, one.key_file),
                insecure=one.insecure,
            )
            self._context_of = stamps
        return self._context

    def _stamps(self) -> tuple[tuple[str, int, int], ...]:
        one = self.credentials
        pairs = ((one.ca_data, one.ca_file), (one.cert_data, one.cert_file), (one.key_data, one.key_file))
        files = [file for data, file in pairs if file and not data]
        return tuple((file, (stat := os.stat(file)).st_mtime_ns, stat.st_ino) for file in files)


def _material(data: bytes, file: str) -> bytes | None:
    if data:
        return data
    return pathlib.Path(file).read_bytes() if file else None
