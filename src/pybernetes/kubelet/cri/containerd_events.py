"""containerd's own event service, for runtimes whose CRI has no event stream (containerd before 1.7).

The two messages needed are small and stable, so they are read and written here by hand:
`SubscribeRequest {repeated string filters = 1}` and `Envelope {string topic = 3; Any event = 4}`, where the payload of
every topic we ask for has `string container_id = 1`, and an exit also `string id = 2` (the exec's name if it was one).

Upstream: containerd api/services/events/v1/events.proto, api/events/task.proto.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pybernetes.kubelet.cri import runtime

_METHOD = "/containerd.services.events.v1.Events/Subscribe"
_TOPICS = {
    "/tasks/start": runtime.EventKind.STARTED,
    "/tasks/exit": runtime.EventKind.STOPPED,
    "/tasks/oom": runtime.EventKind.STOPPED,
    "/containers/delete": runtime.EventKind.DELETED,
}
_NAMESPACE = "k8s.io"


async def subscribe(grpc: Any, channel: Any) -> AsyncIterator[runtime.Event]:
    """Events of the CRI's containers from now on; processes run by exec are left out."""
    filters = b"".join(_text_field(1, f'topic=="{topic}",namespace=={_NAMESPACE}') for topic in _TOPICS)
    call = channel.unary_stream(_METHOD, request_serializer=_same, response_deserializer=_same)
    stream = call(filters, metadata=(("containerd-namespace", _NAMESPACE),))
    try:
        async for envelope in stream:
            event = parse_envelope(envelope)
            if event is not None:
                yield event
    except grpc.aio.AioRpcError as failure:
        kind = runtime.UnimplementedError if failure.code() is grpc.StatusCode.UNIMPLEMENTED else runtime.CriError
        raise kind(failure.details() or "event stream ended") from None
    except asyncio.CancelledError:
        stream.cancel()
        raise


def parse_envelope(envelope: bytes) -> runtime.Event | None:
    """The event of one Envelope; None for a process that is not a container's first."""
    topic, payload = "", b""
    for number, value in _fields(envelope):
        if number == 3 and isinstance(value, bytes):
            topic = value.decode()
        elif number == 4 and isinstance(value, bytes):
            payload = next((entry for tag, entry in _fields(value) if tag == 2 and isinstance(entry, bytes)), b"")
    kind = _TOPICS.get(topic)
    if kind is None:
        return None
    texts = {number: value.decode() for number, value in _fields(payload) if number < 3 and isinstance(value, bytes)}
    container_id = texts.get(1, "")
    if topic == "/tasks/exit" and texts.get(2, container_id) != container_id:
        return None
    return runtime.Event(kind, container_id)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message, in order: number and value."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        match key & 7:
            case 0:
                value, position = _varint(data, position)
                yield key >> 3, value
            case 2:
                length, position = _varint(data, position)
                yield key >> 3, data[position : position + length]
                position += length
            case 1:
                position += 8
            case 5:
                position += 4
            case other:
                raise ValueError(f"wire type {other} in an event")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, position
        shift += 7


def _text_field(number: int, text: str) -> bytes:
    data = text.encode()
    return bytes([number << 3 | 2, len(data)]) + data


def _same(data: bytes) -> bytes:
    return data
