"""The API server as a process of its own.

Upstream: cmd/kube-apiserver/app.
"""

import asyncio
import contextlib
import dataclasses
import ipaddress
import pathlib
import socket
import ssl

from cryptography.hazmat.primitives import serialization

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.apiserver import event_ttl as event_ttls
from pybernetes.apiserver.authn import authenticator, token_file, x509
from pybernetes.cluster import components, pki
from pybernetes.cluster.standalone import connections, status_server
from pybernetes.crypto import jwt
from pybernetes.http import server as http_server
from pybernetes.http import tls
from pybernetes.storage import backend as backends
from pybernetes.storage import compaction, etcd, memory, sqlite
from pybernetes.telemetry import logs

logger = logs.get("apiserver")


@dataclasses.dataclass(frozen=True, slots=True)
class ApiServerSettings:
    """What the flags say; names are theirs."""

    data_dir: pathlib.Path
    storage: str = "sqlite"
    etcd: backends.Distant | None = None
    etcd_prefix: str = "/registry"
    event_ttl: float = event_ttls.SECONDS
    etcd_compaction_interval: float = compaction.COMPACT_SECONDS
    bind_address: str = "0.0.0.0"
    advertise_address: str = ""
    secure_port: int = 6443
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    cert_dir: str = ""
    client_ca_file: str = ""
    service_cluster_ip_range: str = "10.96.0.0/16"
    service_account_issuer: str = ""
    service_account_signing_key_file: str = ""
    service_account_key_file: str = ""
    token_auth_file: str = ""
    anonymous_auth: bool = True
    audit_log_path: str = ""
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_certificate_authority: str = ""


async def run(settings: ApiServerSettings) -> None:
    """Serve until cancelled. Raises SettingsError."""
    clock = clocks.RealClock()
    config, context = server_config(settings, clock), serving_context(settings, clock)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = app.ApiServer(config, _backend(settings, clock), clock)
    listening = http_server.Server(
        server.handle,
        clock=clock,
        tls=context,
        host=settings.bind_address,
        port=settings.secure_port,
        settings=components.http_settings(),
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            await server.start()
        except backends.Unavailable as error:
            raise connections.SettingsError(str(error)) from error
        stack.push_async_callback(server.stop)
        try:
            await listening.start()
        except OSError as error:
            where = f"{settings.bind_address}:{settings.secure_port}"
            raise connections.SettingsError(f"--secure-port: cannot listen on {where}: {error.strerror}") from error
        stack.push_async_callback(listening.stop)
        logger.info("Serving securely on %s:%d", settings.bind_address, settings.secure_port)
        await server.ready()
        logger.info("Every post-start hook is done: /readyz says ok")
        await asyncio.Event().wait()


def _backend(settings: ApiServerSettings, clock: clocks.Clock) -> backends.Backend:
    if settings.etcd is not None:
        return etcd.EtcdBackend(settings.etcd, clock=clock, compact_seconds=settings.etcd_compaction_interval)
    if settings.storage == "memory":
        return memory.MemoryBackend(clock=clock)
    return sqlite.SqliteBackend(settings.data_dir / "store.db", clock=clock)


def server_config(settings: ApiServerSettings, clock: clocks.Clock) -> app.ServerConfig:
    """The server's configuration. Raises SettingsError."""
    _check(settings)
    kubelet_context(settings)  # asked for again at each new connection; here it only shows that the files are good
    return app.ServerConfig(
        certificate=x509.CertificateAuthenticator(clock) if settings.client_ca_file else None,
        tokens=_tokens(settings),
        anonymous=settings.anonymous_auth,
        service_account_keys=_keys(settings),
        service_account_issuer=settings.service_account_issuer,
        audit_log=pathlib.Path(settings.audit_log_path) if settings.audit_log_path else None,
        kubelet_tls=lambda: kubelet_context(settings),
        advertise_address=settings.advertise_address or default_address(settings.bind_address),
        port=settings.secure_port,
        service_range=settings.service_cluster_ip_range,
        storage_prefix=settings.etcd_prefix,
        event_ttl=settings.event_ttl,
    )


def _check(settings: ApiServerSettings) -> None:
    problem = ""
    try:
        services = ipaddress.ip_network(settings.service_cluster_ip_range)
        if services.max_prefixlen - services.prefixlen < 3:
            problem = "specified --service-cluster-ip-range is too small: use at least 8 addresses"
    except ValueError:
        problem = f"--service-cluster-ip-range {settings.service_cluster_ip_range} is not a valid CIDR"
    if not settings.service_account_issuer:
        problem = "service-account-issuer is a required flag, --service-account-issuer must be specified"
    elif not settings.service_account_signing_key_file:
        problem = "--service-account-signing-key-file and --service-account-issuer are required flags"
    elif not 1 <= settings.secure_port <= 65535:
        problem = (
            f"--secure-port {settings.secure_port} must be between 1 and 65535, inclusive. It cannot be turned off"
        )
    if problem:
        raise connections.SettingsError(problem)


def _tokens(settings: ApiServerSettings) -> tuple[authenticator.TokenMethod, ...]:
    if not settings.token_auth_file:
        return ()
    try:
        return (token_file.TokenFile.load(pathlib.Path(settings.token_auth_file)),)
    except (OSError, ValueError) as error:
        raise connections.SettingsError(f"--token-auth-file: {error}") from error


def _keys(settings: ApiServerSettings) -> jwt.Keys:
    private = _read("--service-account-signing-key-file", settings.service_account_signing_key_file)
    try:
        keys = jwt.Keys(private)
        if settings.service_account_key_file:
            given = _read("--service-account-key-file", settings.service_account_key_file)
            if _public(given) != _public(private):
                raise connections.SettingsError(
                    "--service-account-key-file: a key other than the signing key's is not supported yet"
                )
    except ValueError as error:
        if isinstance(error, connections.SettingsError):
            raise
        raise connections.SettingsError(f"failed to build service account token keys: {error}") from error
    return keys


def _public(pem: bytes) -> bytes:
    """The public key in a PEM that holds it or its private key. Raises ValueError."""
    if b"PUBLIC KEY" in pem:
        key = serialization.load_pem_public_key(pem)
    else:
        key = serialization.load_pem_private_key(pem, password=None).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read(flag: str, path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise connections.SettingsError(f"{flag}: {error}") from error


def kubelet_context(settings: ApiServerSettings) -> ssl.SSLContext:
    """How the server shows itself to kubelets; without an authority it takes any kubelet's word, as upstream does."""
    authority = settings.kubelet_certificate_authority
    certificate, key = settings.kubelet_client_certificate, settings.kubelet_client_key
    return tls.client_context(
        _read("--kubelet-certificate-authority", authority) if authority else None,
        _read("--kubelet-client-certificate", certificate) if certificate else None,
        _read("--kubelet-client-key", key) if key else None,
        insecure=not authority,
    )


def serving_context(settings: ApiServerSettings, clock: clocks.Clock) -> ssl.SSLContext:
    """With the certificate given, or with one made once and kept in --cert-dir."""
    client_ca = _read("--client-ca-file", settings.client_ca_file) if settings.client_ca_file else None
    cert_file, key_file = settings.tls_cert_file, settings.tls_private_key_file
    if not cert_file and not key_file:
        directory = pathlib.Path(settings.cert_dir) if settings.cert_dir else settings.data_dir / "certs"
        cert_file, key_file = str(directory / "apiserver.crt"), str(directory / "apiserver.key")
        if not (directory / "apiserver.crt").exists():
            _make_certificate(settings, clock, directory)
    return status_server.server_context(cert_file, key_file, clock.now(), client_ca)


def _make_certificate(settings: ApiServerSettings, clock: clocks.Clock, directory: pathlib.Path) -> None:
    services = ipaddress.ip_network(settings.service_cluster_ip_range)
    address = settings.advertise_address or default_address(settings.bind_address)
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    pair = status_server.self_signed(clock.now(), (address, str(services[1])), names)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki.write_private(directory / "apiserver.key", pair.key)
    pki.write_private(directory / "apiserver.crt", pair.certificate)


def default_address(bound: str) -> str:
    """Where others reach a server bound to that address: there, or on the interface of the default route."""
    if bound not in ("0.0.0.0", "::", ""):
        return bound
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: the kernel only looks up the route.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
