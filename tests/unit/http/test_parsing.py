"""Bytes to requests, split at every place."""

import pytest

from pybernetes.http import messages, parsing, protocol


def make(head_limit: int = 2000, body_limit: int = 1000) -> parsing.RequestReader:
    return parsing.RequestReader(messages.ConnectionInfo(), head_limit, body_limit, protocol.plain_error)


SAMPLE = (
    b"GET /api/v1/pods?watch=1&labelSelector=a%3Db HTTP/1.1\r\nHost: x\r\nAccept: a\r\nACCEPT: b\r\n\r\n"
    b"POST /p%20q HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
    b"DELETE http://host/abs?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
def test_requests_come_out_whole_however_the_bytes_are_cut(size):
    reader = make()
    for start in range(0, len(SAMPLE), size):
        reader.feed(SAMPLE[start : start + size])
    requests = [exchange.request for exchange in reader.ready]
    assert [(r.method, r.path, r.raw_query, r.body) for r in requests] == [
        ("GET", "/api/v1/pods", "watch=1&labelSelector=a%3Db", b""),
        ("POST", "/p q", "", b"hello"),
        ("PUT", "/c", "", b"abcde"),
        ("DELETE", "/abs", "x", b""),
    ]
    assert requests[0].query == {"watch": ["1"], "labelSelector": ["a=b"]}
    assert requests[0].headers.get_all("Accept") == ["a", "b"]
    assert [exchange.keep_alive for exchange in reader.ready] == [True, True, True, False]


def test_a_repeated_header_block_gives_the_same_object():
    reader = make()
    one, other = b"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: 2\r\n\r\n"
    reader.feed(one + one + other)
    first, second, third = (exchange.request.headers for exchange in reader.ready)
    assert first is second
    assert third is not first
    assert third.get("a") == "2"


def test_a_known_request_keeps_its_own_headers():
    reader = make()
    mine = b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mine\r\n\r\n"
    other = b"PATCH / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer other\r\nContent-Length: 2\r\n\r\n{}"
    for data in (b"GET /a" + mine, other, b"GET /b" + mine, b"GET /c" + mine.replace(b"mine", b"last"), other):
        reader.feed(data)
    said = [exchange.request.headers.get("authorization") for exchange in reader.ready]
    assert said == ["Bearer mine", "Bearer other", "Bearer mine", "Bearer last", "Bearer other"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n" + b"x" * 1001, 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracle\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 2001, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"t" * 2001, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # a TLS hello
    ],
)
def test_refusals(data, status):
    reader = make()
    reader.feed(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
    reader.feed(data)
    first, refused = reader.ready
    assert first.request.path == "/first"
    assert refused.request is None
    assert refused.refusal.status == status
    reader.feed(b"GET /more HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(reader.ready) == 2


def test_http_1_0_is_never_kept_alive():
    reader = make()
    reader.feed(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (reader.ready[0].keep_alive, reader.ready[0].http_1_1) == (False, False)


def test_expect_continue_is_due_until_the_body_comes():
    reader = make()
    reader.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert reader.continue_due
    reader.feed(b"ab")
    assert not reader.continue_due
    assert reader.ready[0].request.body == b"ab"


def test_input_after_an_upgrade_request_is_kept_until_decided():
    reader = make()
    ask = b"GET /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    reader.feed(ask + b"raw")
    reader.feed(b" bytes")
    assert reader.state is parsing.State.HELD
    assert reader.held_size == 9
    assert reader.take_held() == b"raw bytes"

    reader = make()
    reader.feed(ask + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(reader.ready) == 1
    reader.feed(reader.decline_upgrade())
    assert [exchange.request.path for exchange in reader.ready] == ["/exec", "/next"]


def test_the_body_of_an_upgrade_request_is_read_as_http():
    reader = make()
    reader.feed(
        b"PUT /h2c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello"
        b"GET / HTTP/1.1\r\n"
    )
    assert [(e.request.method, e.request.path, e.request.body) for e in reader.ready] == [("PUT", "/h2c", b"hello")]
    assert reader.state is parsing.State.HEAD


KNOWN = b" HTTP/1.1\r\nHost: x\r\nAccept: y\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "targets"),
    [
        (b"GET /b?c=d" + KNOWN, ["/b?c=d"]),
        (b"GET /b%20" + KNOWN, ["/b%20"]),
        (b"GET /b" + KNOWN + b"GET /c" + KNOWN, ["/b", "/c"]),
        (b"GET /b" + KNOWN.replace(b"y", b"z"), ["/b"]),
        (b"HEAD /b" + KNOWN, ["/b"]),
        (b"GET http://h/b" + KNOWN, ["http://h/b"]),
        (b"GET /b c" + KNOWN, [None]),
        (b"GET /b\xff" + KNOWN, [None]),
        (b"GET /b\x01" + KNOWN, [None]),
        (b"GET /%zz" + KNOWN, [None]),
        (b"GET /b\tHTTP/1.1 x" + KNOWN, [None]),
        (b"GET " + KNOWN, [None]),
    ],
)
def test_what_follows_a_known_request_is_read_as_by_a_new_parser(data, targets):
    """The shortcut for repeated requests and the parser agree."""
    for prefix in (b"", b"GET /a" + KNOWN):
        reader = make()
        if prefix:
            reader.feed(prefix)
            reader.ready.clear()
        reader.feed(data)
        assert [e.request and e.request.target for e in reader.ready] == targets
        if None not in targets:
            reader.ready.clear()
            reader.feed(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabGET /q" + KNOWN)
            assert [(e.request.target, e.request.body) for e in reader.ready] == [("/p", b"ab"), ("/q", b"")]
