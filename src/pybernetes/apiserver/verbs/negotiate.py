"""Which form an answer takes (Accept) and which form a body has (Content-Type).

JSON and YAML are written; protobuf is only read: clients that put it first in Accept list JSON too. With
`as=Table;v=v1;g=meta.k8s.io` and its like the answer is another kind made from the objects.
Upstream: k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
"""

import dataclasses

from pybernetes.api.codec import body as bodies
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.http import messages

JSON, YAML = "application/json", "application/yaml"
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
TRANSFORMS = frozenset({TABLE, PARTIAL, PARTIAL_LIST})
META_GROUP = "meta.k8s.io"
META_VERSIONS = frozenset({"v1", "v1beta1"})
BROWSERS = ("curl", "Wget", "Mozilla/5.0")


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """The form of an answer. `transform` is the kind it is turned into, "" for none."""

    media: str = JSON
    transform: str = ""
    version: str = "v1"
    plain: bool = True
    """JSON as it is stored, without a transformation: the fast path."""


DEFAULT = Format()


def output(context: contexts.RequestContext, *, transforms: bool = True) -> Format:
    """What the client accepts best. Raises NotAcceptable."""
    headers = context.request.headers
    key = "format" if transforms else "format as is"
    found: Format | None = headers.state.get(key)
    if found is None:
        try:
            found = headers.state[key] = _choose(headers.get("accept") or "", transforms)
        except _NothingKnown:
            raise _no_representation(context) from None
    return found


def _choose(header: str, transforms: bool) -> Format:
    if not header:
        return DEFAULT
    known = False
    for kind, parameters in _clauses(header):
        medias = [media for media in bodies.MEDIA_TYPES if kind in (media, "*/*", "application/*")]
        known = known or bool(medias)
        if not medias or medias[0] == bodies.PROTOBUF:
            continue
        form = _accept(medias[0], parameters, transforms)
        if form is not None:
            return form
    if not known:
        raise _NothingKnown
    raise errors.NotAcceptable(bodies.MEDIA_TYPES)


class _NothingKnown(Exception):
    """None of the media types in Accept means anything to us."""


def _no_representation(context: contexts.RequestContext) -> errors.StatusError:
    """The 406 of what routes requests upstream, before any handler has looked at them."""
    offered = list(bodies.MEDIA_TYPES)
    if context.info.verb in ("list", "watch"):
        offered += (f"{media};stream=watch" for media in (JSON, bodies.PROTOBUF))
    text = f"406: Not Acceptable\n\nAvailable representations: {', '.join(offered)}"
    return errors.StatusError(text, code=406, reason="NotAcceptable", details={})


def _clauses(header: str) -> list[tuple[str, dict[str, str]]]:
    """Media types with their parameters, the most wanted first."""
    found: list[tuple[float, int, str, dict[str, str]]] = []
    for order, clause in enumerate(header.split(",")):
        kind, *rest = (part.strip() for part in clause.split(";"))
        parameters: dict[str, str] = {}
        for part in rest:
            name, _, value = part.partition("=")
            parameters[name.strip().lower()] = value.strip().strip('"')
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        found.append((-quality, order, kind.lower() or "*/*", parameters))
    return [(kind, parameters) for _, _, kind, parameters in sorted(found, key=lambda one: one[:2])]


def _accept(media: str, parameters: dict[str, str], transforms: bool) -> Format | None:
    wanted = parameters.get("as")
    if not wanted:
        return DEFAULT if media == JSON else Format(media, plain=False)
    group, version = parameters.get("g", ""), parameters.get("v", "")
    if not transforms or wanted not in TRANSFORMS or group != META_GROUP or version not in META_VERSIONS:
        return None
    return Format(media, wanted, version, plain=False)


def pretty(context: contexts.RequestContext) -> bool:
    """Whether JSON is to be read by people."""
    given = context.parameter("pretty")
    if given:
        return given.lower() not in ("false", "0")
    if context.request.raw_query and "pretty" in context.request.query:
        return True
    headers = context.request.headers
    known: bool | None = headers.state.get("browser")
    if known is None:
        known = headers.state["browser"] = (headers.get("user-agent") or "").startswith(BROWSERS)
    return known


def body_media(request: messages.Request) -> str:
    """The media type of the body. Raises UnsupportedMediaType."""
    return bodies.media_type(request.headers.get("content-type") or "")
