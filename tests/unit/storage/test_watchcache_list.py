"""Lists from the watch cache: resourceVersion, resourceVersionMatch, limit and continue as upstream has them."""

import asyncio
import base64
import json

import pytest

from pybernetes.aio.clock import VirtualClock
from pybernetes.apimachinery import errors
from pybernetes.storage import listing
from pybernetes.storage.listing import ListOptions, Page
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.watchcache import WatchCache

from .pods import Pods, select, value


def names(page: Page) -> list[str]:
    return [one.key.removeprefix("/registry/pods/") for one in page.items]


@pytest.fixture
async def pods(store: MemoryBackend, cache: WatchCache) -> Pods:
    """Five pods at revisions 2 to 6; `a/2` has label and node; `b/1` changes at 7, `a/4` goes at 8."""
    pods = Pods(store)
    for number in (1, 2, 3, 4):
        await pods.put(f"a/{number}", parity="even" if number % 2 == 0 else "odd")
    await pods.put("b/1", parity="odd")
    await pods.put("b/1", node="n1")
    await pods.drop("a/4")
    return pods


NOW = ["a/1", "a/2", "a/3", "b/1"]
FULL = ["a/1", "a/2", "a/3", "a/4", "b/1"]


@pytest.mark.parametrize(
    ("version", "match", "limit", "expected", "revision", "remaining"),
    [
        ("", "", 0, NOW, 8, None),
        ("", "", 2, NOW[:2], 8, 2),
        ("", "", 4, NOW, 8, None),
        ("0", "", 0, NOW, 8, None),
        ("0", "", 2, NOW, 8, None),
        ("0", "NotOlderThan", 2, NOW, 8, None),
        ("6", "", 0, NOW, 8, None),
        ("6", "NotOlderThan", 0, NOW, 8, None),
        ("6", "NotOlderThan", 3, NOW[:3], 8, 1),
        ("6", "", 3, FULL[:3], 6, 2),
        ("6", "Exact", 0, FULL, 6, None),
        ("6", "Exact", 3, FULL[:3], 6, 2),
        ("4", "Exact", 0, FULL[:3], 4, None),
        ("2", "Exact", 0, FULL[:1], 2, None),
        ("1", "Exact", 0, [], 1, None),
        ("8", "Exact", 0, NOW, 8, None),
    ],
)
async def test_resource_version_match_and_limit(
    cache: WatchCache,
    pods: Pods,
    version: str,
    match: str,
    limit: int,
    expected: list[str],
    revision: int,
    remaining: int | None,
) -> None:
    page = await cache.list("", ListOptions(resource_version=version, match=match, limit=limit))
    assert (names(page), page.revision, page.remaining) == (expected, revision, remaining)
    assert bool(page.continue_token) == (remaining is not None)


async def test_items_are_served_bytes_of_their_revision(cache: WatchCache, pods: Pods) -> None:
    then = (await cache.list("/registry/pods/b", ListOptions(resource_version="6", match="Exact"))).items
    now = (await cache.list("/registry/pods/b")).items
    assert [one.object()["metadata"]["resourceVersion"] for one in (*then, *now)] == ["6", "7"]
    assert now[0].data == value("b", "1", node="n1").replace(b'{"name"', b'{"resourceVersion":"7","name"')


async def test_continue_keeps_to_the_first_page_s_revision(cache: WatchCache, pods: Pods) -> None:
    page = await cache.list("", ListOptions(limit=2))
    token = json.loads(base64.urlsafe_b64decode(page.continue_token + "=="))
    assert token == {"v": "meta.k8s.io/v1", "rv": 8, "start": "a/2\0"}
    await pods.drop("a/3")
    await pods.put("a/2b")
    second = await cache.list("", ListOptions(limit=1, continue_token=page.continue_token))
    assert (names(second), second.revision, second.remaining) == (["a/3"], 8, 1)
    last = await cache.list("", ListOptions(limit=1, continue_token=second.continue_token, resource_version="0"))
    assert (names(last), last.revision, last.continue_token, last.remaining) == (["b/1"], 8, "", None)


async def test_tokens_are_relative_to_the_listed_prefix(cache: WatchCache, pods: Pods) -> None:
    page = await cache.list("/registry/pods/a", ListOptions(limit=1))
    assert listing.decode_continue(page.continue_token, "/registry/pods/a/") == ("/registry/pods/a/1\0", 8)
    rest = await cache.list("/registry/pods/a", ListOptions(continue_token=page.continue_token))
    assert names(rest) == ["a/2", "a/3"]


async def test_selections(cache: WatchCache, pods: Pods) -> None:
    async def chosen(prefix: str = "", limit: int = 0, label: str = "", field: str = "") -> tuple[list[str], bool]:
        page = await cache.list(prefix, ListOptions(limit=limit, selection=select(label, field)))
        assert page.remaining is None
        return names(page), bool(page.continue_token)

    assert await chosen(label="parity=odd") == (["a/1", "a/3"], False)
    assert await chosen(label="parity=odd", limit=1) == (["a/1"], True)
    assert await chosen(label="parity=odd", limit=2) == (["a/1", "a/3"], True)
    assert await chosen(label="!parity", limit=1) == (["b/1"], False)
    assert await chosen(field="spec.nodeName=n1") == (["b/1"], False)
    assert await chosen(field="metadata.name=1") == (["a/1", "b/1"], False)
    assert await chosen("/registry/pods/b", field="metadata.name=1") == (["b/1"], False)
    assert await chosen("/registry/pods/b", field="metadata.name=1", label="parity=odd") == ([], False)
    assert await chosen("/registry/pods/b", field="metadata.name=2") == ([], False)


async def test_the_window_is_bounded_but_history_goes_on_in_the_backend(cache: WatchCache, pods: Pods) -> None:
    await pods.store.create("/registry/nodes/n1", b"{}")
    for _ in range(10):
        await pods.put("b/1")
    page = await cache.list("", ListOptions(resource_version="6", match="Exact"))
    assert names(page) == FULL
    filtered = await cache.list(
        "", ListOptions(resource_version="6", match="Exact", limit=1, selection=select("parity=even"))
    )
    assert (names(filtered), filtered.revision) == (["a/2"], 6)
    assert listing.decode_continue(filtered.continue_token, cache.prefix)[1] == 6


async def test_compacted_revisions_are_expired(cache: WatchCache, pods: Pods) -> None:
    page = await cache.list("", ListOptions(limit=2))
    await pods.put("a/1")
    await pods.drop("a/3")
    await pods.store.compact(await pods.store.revision())
    with pytest.raises(errors.Expired) as caught:
        await cache.list("", ListOptions(resource_version="6", match="Exact"))
    assert str(caught.value) == "The resourceVersion for the provided list is too old."
    with pytest.raises(errors.Expired) as paging:
        await cache.list("", ListOptions(limit=2, continue_token=page.continue_token))
    status = paging.value.status()
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"].startswith(
        "The provided continue parameter is too old to display a consistent list result."
    )
    assert listing.decode_continue(status["metadata"]["continue"], cache.prefix) == ("/registry/pods/a/2\0", -1)
    rest = await cache.list("", ListOptions(limit=2, continue_token=status["metadata"]["continue"]))
    assert (names(rest), rest.revision, rest.continue_token) == (["b/1"], 10, "")


@pytest.mark.parametrize("options", [ListOptions(resource_version="9"), ListOptions("9", "Exact")])
async def test_the_future_is_waited_for(
    cache: WatchCache, pods: Pods, clock: VirtualClock, options: ListOptions
) -> None:
    waiting = asyncio.ensure_future(cache.list("", options))
    await asyncio.sleep(0)
    await pods.store.create("/registry/nodes/n1", b"{}")
    assert names(await waiting) == NOW
    late = asyncio.ensure_future(cache.list("", ListOptions("20", options.match)))
    await clock.advance(2.9)
    assert not late.done()
    await clock.advance(0.2)
    with pytest.raises(errors.Timeout) as caught:
        await late
    status = caught.value.status()
    assert (status["code"], status["reason"]) == (504, "Timeout")
    assert status["message"] == "Timeout: Too large resource version: 20, current: 9"
    assert status["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


def token(**content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ListOptions(resource_version="abc"),
            'invalid resource version: resourceVersion: Invalid value: "abc": '
            'strconv.ParseUint: parsing "abc": invalid syntax',
        ),
        (
            ListOptions(resource_version="18446744073709551616"),
            'invalid resource version: resourceVersion: Invalid value: "18446744073709551616": '
            'strconv.ParseUint: parsing "18446744073709551616": value out of range',
        ),
        (
            ListOptions(resource_version="5", continue_token=token(v="meta.k8s.io/v1", rv=8, start="a")),
            "specifying resource version is not allowed when using continue",
        ),
        (
            ListOptions(continue_token="a?"),
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 1",
        ),
        (
            ListOptions(continue_token=token(v="v2", rv=8, start="a")),
            "invalid continue token: continue key is not valid: server does not recognize this encoded version v2",
        ),
        (
            ListOptions(continue_token=token(v="meta.k8s.io/v1", start="a")),
            "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion "
            "(version meta.k8s.io/v1)",
        ),
        (
            ListOptions(continue_token=token(v="meta.k8s.io/v1", rv=8)),
            "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
        ),
        (
            ListOptions(continue_token=token(v="meta.k8s.io/v1", rv=8, start="../secrets/")),
            "invalid continue token: continue key is not valid: ../secrets/",
        ),
    ],
)
async def test_nonsense_is_refused(cache: WatchCache, options: ListOptions, message: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        await cache.list("", options)
    assert str(caught.value) == message


async def test_an_unstarted_cache_is_not_ready(store: MemoryBackend, clock: VirtualClock) -> None:
    cache = WatchCache(store, "/registry/pods", clock=clock, extract=lambda _: {})
    for read in (cache.list(), cache.watch(), cache.wait_revision(0), cache.wait_fresh()):
        with pytest.raises(errors.TooManyRequests, match=r"storage is \(re\)initializing"):
            await read
    with pytest.raises(errors.TooManyRequests):
        cache.get("/registry/pods/a/x")
