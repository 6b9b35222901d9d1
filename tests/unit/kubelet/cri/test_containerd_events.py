import pytest

from pybernetes.kubelet.cri import containerd_events, runtime


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def envelope(topic: str, payload: bytes) -> bytes:
    timestamp = field(1, b"\x08\x01\x10\x02")
    typed = field(1, b"containerd.events.TaskExit") + field(2, payload)
    return timestamp + field(2, b"k8s.io") + field(3, topic.encode()) + field(4, typed)


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("/tasks/start", field(1, b"c1") + b"\x10\x07", runtime.Event(runtime.EventKind.STARTED, "c1")),
        ("/tasks/exit", field(1, b"c1") + field(2, b"c1"), runtime.Event(runtime.EventKind.STOPPED, "c1")),
        ("/tasks/exit", field(1, b"c1") + field(2, b"exec-1"), None),
        ("/tasks/oom", field(1, b"c1"), runtime.Event(runtime.EventKind.STOPPED, "c1")),
        ("/containers/delete", field(1, b"c1"), runtime.Event(runtime.EventKind.DELETED, "c1")),
        ("/images/create", field(1, b"x"), None),
    ],
)
def test_envelopes(topic: str, payload: bytes, expected: runtime.Event | None) -> None:
    assert containerd_events.parse_envelope(envelope(topic, payload)) == expected
