"""GET one object.

Hot path: with the object in the cache nothing here waits.
Upstream: k8s.io/apiserver/pkg/endpoints/handlers/get.go.
"""

from pybernetes.apimachinery import errors, goformat, names
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import negotiate, present


async def get(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Answer with the object in the version that was asked for."""
    info = context.info
    negotiate.output(context)
    check_name(info.name)
    version = context.parameter("resourceVersion")
    if version:
        cache = await store.ready()
        await cache.wait_revision(parse_revision(version))
    namespace = info.namespace if store.kind.namespaced else ""
    return await present.one(context, store, await store.get(namespace, info.name))


def check_name(name: str) -> None:
    """Refuse names that no object can have. Raises BadRequest."""
    if "%" in name or "/" in name or name in (".", ".."):
        text = "; ".join(names.is_path_segment_name(name))
        raise errors.BadRequest(f"Name parameter invalid: {goformat.quote(name)}: {text}")


def parse_revision(text: str) -> int:
    """A resourceVersion of a get or a watch, where a bad one is (upstream, too) a nameless error with code 500."""
    if text.isascii() and text.isdecimal() and int(text) < 1 << 64:
        return int(text)
    problem = "value out of range" if text.isascii() and text.isdecimal() else "invalid syntax"
    quoted = goformat.quote(text)
    raise errors.StatusError(
        f"resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: {problem}", reason=""
    )
