"""etcd's API on the wire: its messages, and calls that find an endpoint which answers.

The messages are built at run time from the table below: those that a store needs, with etcd's field numbers. gRPC and
protobuf are imported by the first connection: a cluster with a store of its own never pays for them.
Upstream: go.etcd.io/etcd/api/v3 (rpc.proto, kv.proto), client/v3 (retry_interceptor.go, balancer).
"""

import functools
import pathlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

from pybernetes.storage import backend

CALL_SECONDS = 10.0
# Without a leader a member would keep a watch open and silent; this has it end the watch instead.
METADATA = (("hasleader", "true"),)
OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    # Clients of clusters that were made anew on the same address must not share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)

_PACKAGE = "etcdserverpb"
_TABLE = """
    Header            revision=3:int64
    KeyValue          key=1:bytes create_revision=2:int64 mod_revision=3:int64 value=5:bytes
    RangeRequest      key=1:bytes range_end=2:bytes limit=3:int64 revision=4:int64 keys_only=8:bool count_only=9:bool
    RangeResponse     header=1:Header kvs=2:KeyValue* count=4:int64
    PutRequest        key=1:bytes value=2:bytes lease=3:int64
    DeleteRequest     key=1:bytes range_end=2:bytes prev_kv=3:bool
    DeleteResponse    header=1:Header prev_kvs=3:KeyValue*
    Compare           result=1:int32 target=2:int32 key=3:bytes mod_revision=6:int64
    RequestOp         request_range=1:RangeRequest request_put=2:PutRequest request_delete_range=3:DeleteRequest
    ResponseOp        response_range=1:RangeResponse response_delete_range=3:DeleteResponse
    TxnRequest        compare=1:Compare* success=2:RequestOp* failure=3:RequestOp*
    TxnResponse       header=1:Header succeeded=2:bool responses=3:ResponseOp*
    CompactionRequest revision=1:int64
    CompactionResponse header=1:Header
    WatchCreate       key=1:bytes range_end=2:bytes start_revision=3:int64 prev_kv=6:bool
    WatchRequest      create_request=1:WatchCreate
    Event             type=1:int32 kv=2:KeyValue prev_kv=3:KeyValue
    WatchResponse     header=1:Header created=3:bool canceled=4:bool compact_revision=5:int64 cancel_reason=6:string events=11:Event*
"""  # noqa: E501
_METHODS = {
    "Range": ("KV", "RangeRequest", "RangeResponse"),
    "Txn": ("KV", "TxnRequest", "TxnResponse"),
    "Compact": ("KV", "CompactionRequest", "CompactionResponse"),
}
MOD_REVISION = 2
"""`Compare.target`: the revision of the last change; `result` 0 is "equal"."""
DELETED = 1
"""`Event.type`."""
_NOT_SENT = ("failed to connect", "connections to all backends failing", "empty address list", "dns resolution failed")


class Refused(Exception):
    """etcd answered that it will not do it, and why."""


class Unknown(backend.Unavailable):
    """The connection broke while etcd had the request: it may have done it."""


@functools.cache
def _messages() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="etcd.proto", package=_PACKAGE, syntax="proto3")
    rows = [line.split() for line in _TABLE.splitlines() if line.strip()]
    names = {row[0] for row in rows}
    field = descriptor_pb2.FieldDescriptorProto
    for name, *columns in rows:
        message = file.message_type.add(name=name)
        for column in columns:
            label, _, rest = column.partition("=")
            number, _, kind = rest.partition(":")
            many, kind = kind.endswith("*"), kind.rstrip("*")
            added = message.field.add(name=label, number=int(number))
            added.label = field.LABEL_REPEATED if many else field.LABEL_OPTIONAL
            added.type = field.TYPE_MESSAGE if kind in names else getattr(field, f"TYPE_{kind.upper()}")
            if kind in names:
                added.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"{_PACKAGE}.{name}")) for name in names}


class Connection:
    """One channel for each endpoint; calls go to the one that answered last."""

    def __init__(self, etcd: backend.Distant) -> None:
        self._etcd = etcd
        self._at = 0
        self._channels: list[Any] = []

    def open(self) -> None:
        """Read the certificates and make the channels. Raises Unavailable."""
        import grpc.aio

        self._grpc: Any = grpc
        self._messages = _messages()
        code = grpc.StatusCode
        self._no_answer = (code.UNAVAILABLE, code.DEADLINE_EXCEEDED, code.CANCELLED)
        credentials = self._credentials()
        for url in self._etcd.servers:
            scheme, _, address = url.rpartition("://")
            if not address or scheme not in ("", "http", "https"):
                raise backend.Unavailable(f"etcd server {url!r}: use http://HOST:PORT or https://HOST:PORT")
            target = address.rstrip("/")
            if scheme == "https":
                self._channels.append(grpc.aio.secure_channel(target, credentials, options=OPTIONS))
            else:
                self._channels.append(grpc.aio.insecure_channel(target, options=OPTIONS))

    def _credentials(self) -> Any:
        etcd = self._etcd
        if bool(etcd.certfile) != bool(etcd.keyfile):
            raise backend.Unavailable("etcd: a client certificate needs its key, and a key its certificate")
        try:
            # gRPC ends the process over a file it does not understand; this raises.
            context = ssl.create_default_context(cafile=etcd.cafile or None)
            if etcd.certfile:
                context.load_cert_chain(etcd.certfile, etcd.keyfile)
            files = [
                pathlib.Path(path).read_bytes() if path else None for path in (etcd.cafile, etcd.keyfile, etcd.certfile)
            ]
        except OSError as failure:
            raise backend.Unavailable(f"etcd certificates: {failure}") from failure
        return self._grpc.ssl_channel_credentials(*files)

    async def close(self) -> None:
        """End every call."""
        for channel in self._channels:
            await channel.close()

    def next_endpoint(self) -> None:
        """Ask another one from now on."""
        self._at = (self._at + 1) % len(self._channels)

    def failure(self, text: str) -> backend.Unavailable:
        """What to say of an endpoint that does not answer."""
        return backend.Unavailable(f"etcd {self._etcd.servers[self._at]}: {text}")

    async def call(self, method: str, *, again: bool, **fields: Any) -> Any:
        """The answer to a request. Raises Unavailable, Refused.

        `again` says that it may be sent twice. A write may not, unless it has certainly not been sent: raises Unknown.
        """
        service, request, response = _METHODS[method]
        message = self._messages[request](**fields)
        for attempt in range(len(self._channels), 0, -1):
            stub = self._channels[self._at].unary_unary(
                f"/{_PACKAGE}.{service}/{method}",
                request_serializer=self._messages[request].SerializeToString,
                response_deserializer=self._messages[response].FromString,
            )
            try:
                return await stub(message, timeout=CALL_SECONDS, metadata=METADATA)
            except self._grpc.aio.UsageError as error:
                raise backend.Unavailable("the store was closed") from error
            except self._grpc.aio.AioRpcError as error:
                text = error.details() or error.code().name
                if error.code() not in self._no_answer:
                    raise Refused(text) from error
                failure = self.failure(text)
                self.next_endpoint()
                if not (again or any(part in text.lower() for part in _NOT_SENT)):
                    raise Unknown(*failure.args) from error
                if attempt == 1:
                    raise failure from error
        raise AssertionError("unreachable")

    async def watch(self, **fields: Any) -> AsyncIterator[Any]:
        """The answers to one watch. Raises Unavailable when it breaks."""
        stub = self._channels[self._at].stream_stream(
            f"/{_PACKAGE}.Watch/Watch",
            request_serializer=self._messages["WatchRequest"].SerializeToString,
            response_deserializer=self._messages["WatchResponse"].FromString,
        )
        try:
            stream = stub(metadata=METADATA)
            await stream.write(self._messages["WatchRequest"](create_request=self._messages["WatchCreate"](**fields)))
            try:
                async for response in stream:
                    yield response
            finally:
                stream.cancel()
        except self._grpc.aio.UsageError as error:
            raise backend.Unavailable("the store was closed") from error
        except self._grpc.aio.AioRpcError as error:
            raise self.failure(error.details() or error.code().name) from error
        raise self.failure("the watch ended")
