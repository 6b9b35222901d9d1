"""The client: typed verbs on any kind, over any transport.

    pods = client.resource(core.Pod)
    pod = await pods.get("web-0", "default")
    await pods.patch("web-0", {"metadata": {"labels": {"a": "b"}}}, "default")

Every answer outside 2xx is raised as an `apimachinery.errors.StatusError`; where there was no answer at all,
`transport.TransportError` is. Answers with Retry-After (429 and 5xx) are retried as long as upstream's client does.

Path: 1 a client builds and sends the request. Upstream: client-go/rest, client-go/dynamic.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api import types
from pybernetes.api.types import meta
from pybernetes.apimachinery import errors, gvk
from pybernetes.client import decode, mapping
from pybernetes.client import transport as transports
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors
from pybernetes.http import messages

T = TypeVar("T")
R = TypeVar("R")
O = TypeVar("O", bound=meta.Object)  # noqa: E741

TIMEOUT = 65.0
"""The server gives up after 60 s; then a little for the way."""
_MAX_RETRIES = 10
_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
PatchType = Literal["merge", "strategic", "json", "apply"]
Query = Sequence[tuple[str, str]]


class Page(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A list, or a part of one."""

    items: tuple[T, ...]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None


class WatchEvent(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK (an object of which only metadata is meant)."""

    type: str
    object: T


class Client:
    """Speaks to one server as one caller."""

    def __init__(
        self, transport: transports.Transport, clock: clocks.Clock | None = None, user_agent: str = "pybernetes"
    ) -> None:
        self.transport = transport
        self.clock: clocks.Clock = clock or clocks.RealClock()
        self.user_agent = user_agent
        self.mapper = mapping.Mapper(self._get_json)
        self._accept = (("Accept", "application/json"), ("User-Agent", user_agent))

    def resource(self, kind: type[O]) -> "Resource[O]":
        """Objects of a typed kind."""
        api_version, name = types.identity(kind)
        return Resource(self, api_version, name, kind)

    def dynamic(self, api_version: str, kind: str) -> "Resource[dict[str, Any]]":
        """Objects of any kind as plain dicts."""
        return Resource(self, api_version, kind, dict)

    def partial(self, api_version: str, kind: str) -> "Resource[meta.PartialObject]":
        """The metadata of objects of any kind."""
        return Resource(self, api_version, kind, meta.PartialObject)

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        content_type: str = "application/json",
        accept: str = "",
        resource: gvk.GroupResource | str = "",
        name: str = "",
    ) -> transports.TransportResponse:
        """Any request; raises unless the answer is 2xx."""
        headers: list[tuple[str, str]] = [*self._accept]
        if accept:
            headers[0] = ("Accept", accept)
        if body:
            headers.append(("Content-Type", content_type))
        for attempt in range(_MAX_RETRIES + 1):
            answer = await self.transport.request(
                method, path, query=query, headers=headers, body=body, timeout=TIMEOUT
            )
            if 200 <= answer.status < 300:
                return answer
            wait = _retry_after(answer.status, answer.headers.get("Retry-After"))
            if wait is None or attempt == _MAX_RETRIES:
                break
            await self.clock.sleep(wait)
        raise failure(answer, method, resource, name)

    async def stream(
        self, path: str, *, query: Query = (), resource: gvk.GroupResource | str = "", name: str = ""
    ) -> transports.Stream:
        """An answer that comes bit by bit (watch, log); raises unless it is 2xx."""
        source = await self.transport.stream("GET", path, query=query, headers=self._accept)
        if 200 <= source.status < 300:
            return source
        try:
            body = await source.read()
        finally:
            await source.close()
        raise failure(transports.TransportResponse(source.status, source.headers, body), "GET", resource, name)

    async def upgrade(self, path: str, *, query: Query = (), subprotocols: Sequence[str] = ()) -> http_client.Upgraded:
        """A WebSocket (exec, attach, port-forward); raises the server's error when it refuses."""
        try:
            return await self.transport.upgrade(path, query=query, subprotocols=subprotocols)
        except http_errors.UpgradeRefused as refused:
            headers = messages.Headers.of(refused.headers)
            raise failure(transports.TransportResponse(refused.status, headers, refused.body), "GET") from refused

    async def close(self) -> None:
        """Give up all connections."""
        await self.transport.close()

    async def _get_json(self, path: str) -> Any:
        try:
            return decode.plain((await self.raw("GET", path)).body)
        except errors.NotFound:
            return None


def _retry_after(status: int, header: str | None) -> float | None:
    """Seconds to wait before the request is sent again; None: do not."""
    if (status == 429 or status >= 500) and header and header.isdigit():
        return float(header)
    return None


def failure(
    answer: transports.TransportResponse, method: str, resource: gvk.GroupResource | str = "", name: str = ""
) -> errors.StatusError:
    """The error of an answer outside 2xx."""
    try:
        status = msgspec.json.decode(answer.body)
    except msgspec.MsgspecError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return errors.from_status(status)
    text = answer.body.decode("utf-8", "replace").strip()
    wait = answer.headers.get("Retry-After") or ""
    return errors.from_response(
        answer.status,
        text,
        verb=method,
        group_resource=resource,
        name=name,
        retry_after=int(wait) if wait.isdigit() else 0,
    )


class Resource(Generic[T]):
    """The verbs on objects of one kind; `namespace` may be left out for an object that names its own."""

    def __init__(self, client: Client, api_version: str, kind: str, cls: type[T]) -> None:
        self.client = client
        self.api_version = api_version
        self.kind = kind
        self.cls = cls
        self.decoder = decode.ObjectDecoder(cls)
        self._mapping = mapping.known(api_version, kind)

    def __repr__(self) -> str:
        return f"<Resource {self.api_version} {self.kind}>"

    async def mapping(self) -> mapping.Mapping:
        """Where objects of the kind live."""
        if self._mapping is None:
            self._mapping = await self.client.mapper.find(self.api_version, self.kind)
        return self._mapping

    async def _raw(self, method: str, namespace: str, name: str, subresource: str, query: Query, **more: Any) -> bytes:
        where = await self.mapping()
        path = where.path(namespace, name, subresource)
        answer = await self.client.raw(method, path, query=query, resource=where.resource, name=name, **more)
        return answer.body

    async def get(self, name: str, namespace: str = "", *, resource_version: str = "") -> T:
        """One object; `NotFound` if there is none."""
        query = _query(resourceVersion=resource_version)
        return self.decoder.one(await self._raw("GET", namespace, _required(name), "", query))

    async def list(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
        resource_version_match: str = "",
        adapt: Callable[[T], T] | None = None,
    ) -> Page[T]:
        """Objects of a namespace, or of all, each as `adapt` makes it."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            resourceVersion=resource_version,
            resourceVersionMatch=resource_version_match,
            **{"continue": continue_token},
        )
        body = await self._raw("GET", namespace, "", "", query)
        metadata, items = self.decoder.many(body, adapt)
        return Page(items, metadata.resourceVersion, metadata.continue_, metadata.remainingItemCount)

    def watch(
        self,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        allow_bookmarks: bool = True,
        timeout: float | None = None,
        send_initial_events: bool | None = None,
    ) -> "Watch[T]":
        """What happens from a resourceVersion on, until the server ends it or it is closed."""
        initial = "" if send_initial_events is None else str(send_initial_events).lower()
        query = _query(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            allowWatchBookmarks="true" if allow_bookmarks else "",
            timeoutSeconds=str(max(1, int(timeout))) if timeout is not None else "",
            sendInitialEvents=initial,
            resourceVersionMatch="NotOlderThan" if initial else "",
        )
        return Watch(self, namespace, query, self.decoder)

    async def create(
        self, obj: T | dict[str, Any], namespace: str = "", *, dry_run: bool = False, field_manager: str = ""
    ) -> T:
        """Make a new object; the answer is as the server stored it."""
        query = _query(dryRun="All" if dry_run else "", fieldManager=field_manager)
        namespace = namespace or _metadata(obj, "namespace")
        return self.decoder.one(await self._raw("POST", namespace, "", "", query, body=msgspec.json.encode(obj)))

    async def update(
        self,
        obj: T | dict[str, Any],
        namespace: str = "",
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
    ) -> T:
        """Replace an object; `Conflict` if its resourceVersion is not the present one."""
        query = _query(dryRun="All" if dry_run else "", fieldManager=field_manager)
        namespace, name = namespace or _metadata(obj, "namespace"), _required(_metadata(obj, "name"))
        body = msgspec.json.encode(obj)
        return self.decoder.one(await self._raw("PUT", namespace, name, subresource, query, body=body))

    async def patch(
        self,
        name: str,
        patch: Any,
        namespace: str = "",
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> T:
        """Change parts of an object; "apply" makes it if it is not there."""
        query = _query(dryRun="All" if dry_run else "", fieldManager=field_manager, force="true" if force else "")
        body = msgspec.json.encode(patch)
        content = _PATCH_TYPES[type]
        answer = await self._raw(
            "PATCH", namespace, _required(name), subresource, query, body=body, content_type=content
        )
        return self.decoder.one(answer)

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        grace_period: int | None = None,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "",
        dry_run: bool = False,
    ) -> None:
        """Delete an object, if uid and resourceVersion (where given) are still its own."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options = _delete_options(grace_period, propagation, {k: v for k, v in preconditions.items() if v}, dry_run)
        await self._raw("DELETE", namespace, _required(name), "", (), body=options)

    async def delete_collection(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period: int | None = None,
        propagation: str = "",
    ) -> None:
        """Delete all objects of a namespace (or without one) that match."""
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        options = _delete_options(grace_period, propagation, {}, dry_run=False)
        await self._raw("DELETE", namespace, "", "", query, body=options)

    async def create_subresource(
        self, name: str, subresource: str, body: dict[str, Any] | msgspec.Struct, namespace: str = ""
    ) -> dict[str, Any]:
        """POST to a part of an object: binding, eviction, token."""
        encoded = msgspec.json.encode(body)
        answer = await self._raw("POST", namespace, _required(name), subresource, (), body=encoded)
        result: dict[str, Any] = decode.plain(answer)
        return result

    async def update_subresource(
        self, name: str, subresource: str, body: dict[str, Any] | msgspec.Struct, namespace: str = ""
    ) -> dict[str, Any]:
        """PUT a part of an object that has another kind: scale; or its approval."""
        encoded = msgspec.json.encode(body)
        answer = await self._raw("PUT", namespace, _required(name), subresource, (), body=encoded)
        result: dict[str, Any] = decode.plain(answer)
        return result

    async def get_subresource(
        self, name: str, subresource: str, namespace: str = "", query: Query | None = None
    ) -> bytes:
        """GET a part of an object as it is: log, scale."""
        return await self._raw("GET", namespace, _required(name), subresource, query or ())


async def retry_on_conflict(attempt: Callable[[], Awaitable[R]], clock: clocks.Clock) -> R:
    """Read, change and write again while somebody else was faster, five times at most."""
    for _ in range(4):
        try:
            return await attempt()
        except errors.Conflict:
            await clock.sleep(0.01)
    return await attempt()


class Watch(Generic[T]):
    """The events of one watch; iterate it once, and `aclose` it when leaving before its end."""

    def __init__(self, resource: Resource[T], namespace: str, query: Query, decoder: decode.ObjectDecoder[T]) -> None:
        self._resource = resource
        self._namespace = namespace
        self._query = query
        self._decoder = decoder
        self._events = self._run()

    async def _run(self) -> AsyncIterator[WatchEvent[T]]:
        where = await self._resource.mapping()
        source = await self._resource.client.stream(
            where.path(self._namespace), query=self._query, resource=where.resource
        )
        try:
            async for line in source:
                event = decode.watch_line(line)
                if event.type == "ERROR":
                    raise errors.from_status(decode.plain(event.object))
                yield WatchEvent(event.type, self._decoder.one(event.object))
        finally:
            await source.close()

    def __aiter__(self) -> AsyncIterator[WatchEvent[T]]:
        return self._events

    async def __anext__(self) -> WatchEvent[T]:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Want no more events."""
        await self._events.aclose()  # type: ignore[attr-defined]

    async def __aenter__(self) -> "Watch[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _query(**parameters: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in parameters.items() if value]


def _required(name: str) -> str:
    if not name:
        raise ValueError("resource name may not be empty")
    return name


def _metadata(obj: Any, field: str) -> str:
    if isinstance(obj, dict):
        return str((obj.get("metadata") or {}).get(field) or "")
    value: str = getattr(obj.metadata, field)
    return value


def _delete_options(grace_period: int | None, propagation: str, preconditions: dict[str, str], dry_run: bool) -> bytes:
    options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if grace_period is not None:
        options["gracePeriodSeconds"] = grace_period
    if preconditions:
        options["preconditions"] = preconditions
    if propagation:
        options["propagationPolicy"] = propagation
    if dry_run:
        options["dryRun"] = ["All"]
    return msgspec.json.encode(options)
