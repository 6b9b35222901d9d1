"""What kinds the server serves: one request for the core group, one for all others.

Servers that know aggregated discovery answer with everything at once; others list their groups and are asked for each
version. A group that cannot be asked (its extension server is down) is reported, not fatal: whoever deletes things on
the ground of what exists (garbage collector, namespace controller) must know that the picture is incomplete.

Upstream: client-go/discovery (aggregated_discovery.go, ServerGroupsAndResources, ServerPreferredResources).
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from pybernetes.apimachinery import errors, gvk
from pybernetes.client import decode, rest, transport

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


@dataclasses.dataclass(frozen=True, slots=True)
class ApiResource:
    """One served resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> gvk.GroupResource:
        """The resource whatever its version."""
        return gvk.GroupResource(self.group, self.plural)


@dataclasses.dataclass(frozen=True, slots=True)
class ApiGroup:
    """A group and its versions, the preferred one first."""

    name: str
    versions: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class Discovered:
    """Everything the server told."""

    groups: list[ApiGroup] = dataclasses.field(default_factory=list)
    resources: list[ApiResource] = dataclasses.field(default_factory=list)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    """apiVersion to why its resources are not known."""

    def preferred(self) -> list[ApiResource]:
        """Each resource once: in its group's preferred version, else in the first one that has it."""
        found: dict[gvk.GroupResource, ApiResource] = {}
        for resource in self.resources:
            found.setdefault(resource.group_resource, resource)
        return [*found.values()]


async def discover(client: rest.Client) -> Discovered:
    """Ask the server for all it serves."""
    found = Discovered()
    for path in ("/api", "/apis"):
        answer = decode.plain((await client.raw("GET", path, accept=AGGREGATED)).body)
        if answer.get("kind") == "APIGroupDiscoveryList":
            for item in answer.get("items") or ():
                _add_group(found, item)
        elif path == "/api":
            await _ask(client, found, ApiGroup("", tuple(answer.get("versions") or ())))
        else:
            for item in answer.get("groups") or ():
                await _ask(client, found, ApiGroup(item["name"], tuple(_versions(item))))
    return found


def _versions(group: dict[str, Any]) -> Iterable[str]:
    listed = [one["version"] for one in group.get("versions") or ()]
    preferred = (group.get("preferredVersion") or {}).get("version")
    return sorted(listed, key=lambda version: version != preferred)


def _add_group(found: Discovered, item: dict[str, Any]) -> None:
    group = (item.get("metadata") or {}).get("name", "")
    versions = item.get("versions") or ()
    found.groups.append(ApiGroup(group, tuple(one["version"] for one in versions)))
    for one in versions:
        if one.get("freshness") == "Stale":
            api_version = str(gvk.GroupVersion(group, one["version"]))
            found.failed[api_version] = f"stale GroupVersion discovery: {api_version}"
            continue
        for resource in one.get("resources") or ():
            # a parent that is only there for its subresources has no kind
            if kind := (resource.get("responseKind") or {}).get("kind"):
                found.resources.append(
                    ApiResource(
                        group,
                        one["version"],
                        resource["resource"],
                        kind,
                        resource.get("scope") == "Namespaced",
                        tuple(resource.get("verbs") or ()),
                        resource.get("singularResource", ""),
                        tuple(resource.get("shortNames") or ()),
                        tuple(resource.get("categories") or ()),
                        tuple(sub["subresource"] for sub in resource.get("subresources") or ()),
                    )
                )


async def _ask(client: rest.Client, found: Discovered, group: ApiGroup) -> None:
    found.groups.append(group)
    for version in group.versions:
        path = f"/apis/{group.name}/{version}" if group.name else f"/api/{version}"
        try:
            answer = decode.plain((await client.raw("GET", path)).body)
        except (errors.StatusError, transport.TransportError) as error:
            found.failed[str(gvk.GroupVersion(group.name, version))] = str(error)
            continue
        listed = answer.get("resources") or ()
        for one in listed:
            if "/" not in one["name"]:
                found.resources.append(_resource(group.name, version, one, listed))


def _resource(group: str, version: str, one: dict[str, Any], listed: Iterable[dict[str, Any]]) -> ApiResource:
    prefix = one["name"] + "/"
    return ApiResource(
        group,
        version,
        one["name"],
        one["kind"],
        one.get("namespaced", False),
        tuple(one.get("verbs") or ()),
        one.get("singularName", ""),
        tuple(one.get("shortNames") or ()),
        tuple(one.get("categories") or ()),
        tuple(other["name"].removeprefix(prefix) for other in listed if other["name"].startswith(prefix)),
    )
