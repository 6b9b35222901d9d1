"""Both event loops for every asynchronous test of this folder; a throw-away PKI; a server that tests talk to."""

import asyncio
import contextlib
import dataclasses
import datetime
import ipaddress
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pybernetes.aio import clock
from pybernetes.http import messages, protocol, server


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclasses.dataclass
class Pair:
    cert: bytes
    key: bytes
    der: bytes


@dataclasses.dataclass
class Pki:
    ca: bytes
    server: Pair
    client: Pair


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_pki() -> Pki:
    """A CA, a server certificate for localhost and a client certificate for CN=tester."""
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    end = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())

    def issue(name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    def pair(name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        cert = issue(name, key, ca=False)
        return Pair(
            cert.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            cert.public_bytes(serialization.Encoding.DER),
        )

    ca_pem = issue("ca", ca_key, ca=True).public_bytes(serialization.Encoding.PEM)
    return Pki(ca_pem, pair("server"), pair("tester"))


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


class RawClient:
    """A socket that speaks whatever the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case), body of the next response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def at_end(self) -> bool:
        """Has the server closed?"""
        try:
            return await self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclasses.dataclass
class Serving:
    server: server.Server
    clock: clock.RealClock | clock.VirtualClock

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @contextlib.asynccontextmanager
    async def raw(self, **kwargs) -> AsyncIterator[RawClient]:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.server.port, **kwargs))
        try:
            yield client
        finally:
            await client.close()


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Serving]]


@pytest.fixture
def serve() -> Serve:
    @contextlib.asynccontextmanager
    async def serving(
        handler: messages.Handler, *, virtual: bool = False, tls=None, **settings: object
    ) -> AsyncIterator[Serving]:
        settings.setdefault("drain_timeout", 0.2)
        time = clock.VirtualClock() if virtual else clock.RealClock()
        running = server.Server(handler, clock=time, tls=tls, settings=protocol.Settings(**settings))
        await running.start()
        try:
            yield Serving(running, time)
        finally:
            if isinstance(time, clock.VirtualClock):
                stopping = asyncio.ensure_future(running.stop())
                while not stopping.done():
                    await time.advance(1.0)
                await stopping
            else:
                await running.stop()

    return serving
