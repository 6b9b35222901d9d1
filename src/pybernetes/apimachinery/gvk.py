"""Names of kinds and resources: group, version, kind, resource, and their text forms.

Upstream: pkg/runtime/schema (apimachinery). Pure.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class GroupVersion(NamedTuple):
    """What an object calls its apiVersion."""

    group: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class GroupKind(NamedTuple):
    """A kind whatever its version."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class GroupResource(NamedTuple):
    """A resource whatever its version; its text form opens most error messages."""

    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def empty(self) -> bool:
        return not self.group and not self.resource


class GroupVersionKind(NamedTuple):
    """A kind as one version of the API shows it."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def parse_api_version(api_version: str) -> GroupVersion:
    """`apps/v1` or `v1`; ValueError with upstream's text for anything with more slashes."""
    if api_version in {"", "/"}:
        return GroupVersion("", "")
    head, slash, tail = api_version.partition("/")
    if not slash:
        return GroupVersion("", head)
    if "/" in tail:
        raise ValueError(f"unexpected GroupVersion string: {api_version}")
    return GroupVersion(head, tail)


def parse_group_resource(text: str) -> GroupResource:
    """`deployments.apps` or `pods`."""
    resource, _, group = text.partition(".")
    return GroupResource(group, resource)


def parse_group_kind(text: str) -> GroupKind:
    """`Deployment.apps` or `Pod`."""
    kind, _, group = text.partition(".")
    return GroupKind(group, kind)


def from_api_version_and_kind(api_version: str, kind: str) -> GroupVersionKind:
    """As written in an object; an apiVersion that cannot be read gives an empty group and version."""
    if api_version.count("/") > 1:
        return GroupVersionKind("", "", kind)
    group_version = parse_api_version(api_version)
    return GroupVersionKind(group_version.group, group_version.version, kind)


def of(obj: dict[str, Any]) -> GroupVersionKind:
    """The kind an object says it is."""
    return from_api_version_and_kind(obj.get("apiVersion") or "", obj.get("kind") or "")
