"""What a list or watch may ask for, how continue tokens read, and how refusals sound.

Upstream: k8s.io/apiserver/pkg/storage (continue.go, interfaces.go, errors.go), storage/etcd3/errors.go. Pure.
"""

import base64
import dataclasses
import posixpath
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from pybernetes.api.codec import body, json, syntax
from pybernetes.apimachinery import errors, goformat
from pybernetes.storage import cached

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"
TOKEN_VERSION = "meta.k8s.io/v1"
RETRY_SECONDS = 1

LIST_EXPIRED = "The resourceVersion for the provided list is too old."
CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)

_UINT64 = 1 << 64


@dataclasses.dataclass(frozen=True, slots=True)
class ListOptions:
    """The query parameters of a list: resourceVersion, resourceVersionMatch, limit, continue, and the selectors."""

    resource_version: str = ""
    match: str = ""
    limit: int = 0
    continue_token: str = ""
    selection: cached.Selection = cached.EVERYTHING


@dataclasses.dataclass(frozen=True, slots=True)
class WatchOptions:
    """The query parameters of a watch; `timeout` in seconds (0: none) only times the last bookmark."""

    resource_version: str = ""
    send_initial_events: bool | None = None
    allow_bookmarks: bool = False
    timeout: float = 0.0
    selection: cached.Selection = cached.EVERYTHING

    @property
    def wants_state(self) -> bool:
        """Whether the current state comes first, as ADDED events."""
        if self.send_initial_events is None:
            return self.resource_version in ("", "0")
        return self.send_initial_events


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Objects in key order as they were at `revision`; `remaining` is None where upstream does not tell it."""

    items: Sequence[cached.Cached]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How a list is answered: `exact` at that revision, else from a state that is `fresh` or at least `minimum`."""

    start: str = ""
    exact: int = 0
    minimum: int = 0
    fresh: bool = False
    limit: int = 0


class ContinueExpired(errors.Expired):
    """The continue token is too old; the Status carries one that goes on with the newest state."""

    def __init__(self, token: str) -> None:
        super().__init__(CONTINUE_EXPIRED)
        self.token = token

    def status(self) -> dict[str, Any]:
        return {**super().status(), "metadata": {"continue": self.token}}

    def __reduce__(self) -> tuple[Any, ...]:
        return ContinueExpired, (self.token,)


def plan(prefix: str, options: ListOptions) -> Plan:
    """Read the options as upstream does; raises BadRequest."""
    version = options.resource_version
    if options.continue_token:
        start, revision = decode_continue(options.continue_token, prefix)
        if version not in ("", "0"):
            raise errors.BadRequest("specifying resource version is not allowed when using continue")
        return Plan(start=start, exact=max(0, revision), fresh=revision < 0, limit=options.limit)
    revision = parse_revision(version)
    # resourceVersion "0" ignores the limit: any state will do, and the cache has it all.
    limit = 0 if version == "0" else options.limit
    if options.match == EXACT or (not options.match and options.limit > 0 and revision > 0):
        return Plan(exact=revision, limit=limit)
    return Plan(minimum=revision, fresh=not version and not options.match, limit=limit)


def page(items: Sequence[cached.Cached], revision: int, prefix: str, plan: Plan, selection: cached.Selection) -> Page:
    """Filter, then cut at the limit; with a selection nobody can tell how many remain."""
    if selection.empty:
        kept, left = (items[: plan.limit], len(items) - plan.limit) if plan.limit else (items, 0)
        return cut(kept, revision, prefix, max(0, left))
    matches, limit = selection.matches, plan.limit
    if not limit:
        return Page([one for one in items if matches(one)], revision)
    found: list[cached.Cached] = []
    for at, one in enumerate(items):
        if matches(one):
            found.append(one)
            if len(found) >= limit:
                more = at < len(items) - 1
                return Page(found, revision, encode_continue(one.key + "\0", prefix, revision) if more else "")
    return Page(found, revision)


def cut(items: Sequence[cached.Cached], revision: int, prefix: str, remaining: int) -> Page:
    """A page of unfiltered objects of which so many more follow."""
    if not remaining:
        return Page(items, revision)
    return Page(items, revision, encode_continue(items[-1].key + "\0", prefix, revision), remaining)


def parse_revision(text: str) -> int:
    """A resourceVersion from a query; unset is 0. Raises BadRequest."""
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]+", text):
        problem = "invalid syntax"
    elif int(text) >= _UINT64:
        problem = "value out of range"
    else:
        return int(text)
    quoted = goformat.quote(text)
    raise errors.BadRequest(
        f"invalid resource version: resourceVersion: Invalid value: {quoted}: "
        f"strconv.ParseUint: parsing {quoted}: {problem}"
    )


def encode_continue(start: str, prefix: str, revision: int) -> str:
    """A token for going on at the key `start`; a negative revision means the newest state."""
    token = {"v": TOKEN_VERSION, "rv": revision, "start": start.removeprefix(prefix)}
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()


def decode_continue(token: str, prefix: str) -> tuple[str, int]:
    """The key to start at and the revision of the first page. Raises BadRequest."""
    content = _token_content(token)
    if content.get("v", "") != TOKEN_VERSION:
        raise _bad_token(
            f"continue key is not valid: server does not recognize this encoded version {content.get('v', '')}"
        )
    revision, start = content.get("rv", 0), content.get("start", "")
    if not revision:
        raise _bad_token(
            f"continue key is not valid: incorrect encoded start resourceVersion (version {TOKEN_VERSION})"
        )
    if not start:
        raise _bad_token(f"continue key is not valid: encoded start key empty (version {TOKEN_VERSION})")
    key = start if start.startswith("/") else f"/{start}"
    # A token must not reach out of the prefix ("../"), or it would list what the client may not see.
    if posixpath.normpath(key) != key or key.startswith("//"):
        raise _bad_token(f"continue key is not valid: {start}")
    return prefix + key[1:], revision


def _token_content(token: str) -> dict[str, Any]:
    illegal = re.search(r"[^A-Za-z0-9_-]", token)
    if illegal or len(token) % 4 == 1:
        at = illegal.start() if illegal else len(token) - 1
        raise _bad_token(f"continue key is not valid: illegal base64 data at input byte {at}")
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    try:
        content = msgspec.json.decode(data)
    except msgspec.DecodeError as failure:
        raise _bad_token(f"continue key is not valid: {_problem(data, failure)}") from failure
    if content is None:
        return {}
    if not isinstance(content, dict):
        wanted = "Go value of type storage.continueToken"
        raise _bad_token(f"continue key is not valid: json: cannot unmarshal {body.json_kind(content)} into {wanted}")
    for field, (kind, shown) in _TOKEN_FIELDS.items():
        given = content.get(field)
        if given is not None and (type(given) is not kind):
            wanted = f"Go struct field continueToken.{field} of type {shown}"
            raise _bad_token(f"continue key is not valid: json: cannot unmarshal {body.json_kind(given)} into {wanted}")
    return {field: content[field] for field in _TOKEN_FIELDS if content.get(field) is not None}


_TOKEN_FIELDS = {"v": (str, "string"), "rv": (int, "int64"), "start": (str, "string")}


def _problem(data: bytes, failure: Exception) -> str:
    """Why the bytes of a token are no JSON, as upstream says it."""
    return syntax.error(data.decode("utf-8", "surrogateescape"), json.MAX_DEPTH) or str(failure)


def _bad_token(problem: str) -> errors.BadRequest:
    return errors.BadRequest(f"invalid continue token: {problem}")


def too_old(revision: int, oldest: int) -> errors.Expired:
    """A watch from a revision that the window no longer has."""
    return errors.Expired(f"too old resource version: {revision} ({oldest})")


def too_large(revision: int, current: int) -> errors.Timeout:
    """A revision that the cache has not reached in time."""
    failure = errors.Timeout(f"Too large resource version: {revision}, current: {current}", RETRY_SECONDS)
    failure.add_cause(errors.CAUSE_RESOURCE_VERSION_TOO_LARGE, "Too large resource version")
    return failure


def not_ready() -> errors.TooManyRequests:
    """The cache has no state yet, or lost it."""
    return errors.TooManyRequests("storage is (re)initializing", retry_after=1)
