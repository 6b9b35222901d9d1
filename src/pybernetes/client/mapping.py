"""From a kind to the path of its resource: the table of kinds first, the server's discovery for everything else.

Upstream: apimachinery/pkg/api/meta (RESTMapper), client-go/discovery.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib import parse

import msgspec

from pybernetes.api import kinds
from pybernetes.apimachinery import gvk

_SAFE = ":@!$&'()*+,;=~"


class Mapping(msgspec.Struct, frozen=True):
    """Where objects of one kind live."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def resource(self) -> gvk.GroupResource:
        """As error messages name it."""
        return gvk.GroupResource(self.group, self.plural)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, an object, or a part of one."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace and self.namespaced:
            root += f"/namespaces/{parse.quote(namespace, _SAFE)}"
        root += f"/{self.plural}"
        if name:
            root += f"/{parse.quote(name, _SAFE)}"
        return f"{root}/{subresource}" if subresource else root


class NoMatch(Exception):
    """The server does not know the kind; the text is upstream's."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')
        self.api_version = api_version
        self.kind = kind


def known(api_version: str, kind: str) -> Mapping | None:
    """The mapping of a built-in kind."""
    group, version = gvk.parse_api_version(api_version)
    row = kinds.TABLE.by_gvk(group, version, kind)
    if row is None:
        return None
    return Mapping(row.group, row.version, row.kind, row.plural, row.namespaced)


GetJson = Callable[[str], Awaitable[Any]]
"""Fetches a path and returns the decoded body, None where the server has nothing there."""


class Mapper:
    """Finds mappings and remembers those that the server told."""

    def __init__(self, get_json: GetJson) -> None:
        self._get_json = get_json
        self._discovered: dict[tuple[str, str], Mapping] = {}

    async def find(self, api_version: str, kind: str) -> Mapping:
        """The mapping of a kind; `NoMatch` if there is none."""
        mapping = known(api_version, kind) or self._discovered.get((api_version, kind))
        if mapping is None:
            await self._discover(api_version)
            mapping = self._discovered.get((api_version, kind))
        if mapping is None:
            raise NoMatch(api_version, kind)
        return mapping

    def forget(self) -> None:
        """Ask the server again: custom resources may have come or gone."""
        self._discovered.clear()

    async def _discover(self, api_version: str) -> None:
        group, version = gvk.parse_api_version(api_version)
        listed = await self._get_json(f"/apis/{group}/{version}" if group else f"/api/{version}")
        for one in (listed or {}).get("resources") or ():
            if "/" not in one["name"]:
                mapping = Mapping(group, version, one["kind"], one["name"], one.get("namespaced", False))
                self._discovered[api_version, one["kind"]] = mapping
