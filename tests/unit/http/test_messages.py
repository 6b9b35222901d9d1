"""Headers, targets, queries."""

import pytest

from pybernetes.http import messages


def request(target: str) -> messages.Request:
    return messages.Request("GET", target, messages.Headers([]), b"", messages.ConnectionInfo())


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a/b", "/a/b", {}),
        ("/a?x=1&x=2&y", "/a", {"x": ["1", "2"], "y": [""]}),
        ("/a%2Fb%20c?q=a+b%26", "/a/b c", {"q": ["a b&"]}),
        ("/a+b", "/a+b", {}),
        ("/?bad=%zz&good=1&semi;colon=2", "/", {"good": ["1"]}),
        ("/%C3%A9?k=%C3%A9", "/é", {"k": ["é"]}),
        ("http://host:80/p?x", "/p", {"x": [""]}),
        ("http://host?x=1", "/", {"x": ["1"]}),
        ("https://host", "/", {}),
        ("*", "*", {}),
        ("/a?", "/a", {}),
    ],
)
def test_target(target, path, query):
    made = request(target)
    assert (made.path, made.query, made.target) == (path, query, target)


@pytest.mark.parametrize("target", ["/%", "/%2", "/%zz", "/a%2gb"])
def test_bad_escapes_are_refused(target):
    with pytest.raises(messages.InvalidTarget):
        request(target)


def test_headers_compare_without_case_and_keep_order():
    headers = messages.Headers([(b"Accept", b"one"), (b"X-Group", b"g1"), (b"x-group", b"g2")])
    assert headers.get("ACCEPT") == headers.get("accept") == "one"
    assert headers.get_all("X-Group") == ["g1", "g2"]
    assert headers.get("missing") is None
    assert headers.get("missing", "d") == "d"
    assert "accept" in headers
    assert "Missing" not in headers
    assert list(headers.names()) == ["accept", "x-group"]
    assert headers.items()[2] == ("x-group", "g2")
    assert messages.Headers.of([("A", "é")]).get("a") == "é"


def test_peer_certificate_is_asked_for_once():
    asked = []
    info = messages.ConnectionInfo(load_certificate=lambda: asked.append(1) or b"der")
    assert info.peer_certificate == info.peer_certificate == b"der"
    assert len(asked) == 1
    assert messages.ConnectionInfo().peer_certificate is None
