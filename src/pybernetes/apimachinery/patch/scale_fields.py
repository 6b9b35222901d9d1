"""managedFields between a scalable object and its Scale: who owns the replicas of the one owns those of the other.

    scale = ScaleFields(deployment_entries, "apps/v1", {"apps/v1": ("f:spec", "f:replicas")})
    entries_of_the_scale = scale.to_subresource()
    entries_of_the_deployment = scale.to_parent(changed_entries_of_the_scale)

Upstream: pkg/util/managedfields/scalehandler.go (apimachinery). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.apimachinery.patch import fieldset, managed_fields

SCALE_API_VERSION = "autoscaling/v1"
REPLICAS: fieldset.Path = ("f:spec", "f:replicas")

Entries = list[dict[str, Any]]


class ScaleFields:
    """`paths`: where the replicas are, per version of the parent; None where a version does not have them. Entries in
    versions that are not named are dropped."""

    def __init__(
        self, parent_entries: Entries | None, api_version: str, paths: Mapping[str, fieldset.Path | None]
    ) -> None:
        self._parent = managed_fields.decode(parent_entries)
        self._api_version = api_version
        self._paths = paths

    def to_subresource(self) -> Entries:
        """The entries of the Scale."""
        scale = managed_fields.Managed()
        for manager, versioned in self._parent.sets.items():
            path = self._paths.get(versioned.api_version)
            if path is not None and versioned.fields.has(path):
                fields = fieldset.of([REPLICAS])
                scale.sets[manager] = managed_fields.VersionedSet(fields, SCALE_API_VERSION, versioned.applied)
                if manager in self._parent.times:
                    scale.times[manager] = self._parent.times[manager]
        return managed_fields.encode(scale)

    def to_parent(self, scale_entries: Entries | None) -> Entries:
        """The entries of the parent after the Scale was written."""
        # An updater is known by its version too, which is the parent's on one side and the Scale's on the other.
        changed = {_nameless(manager): pair for manager, pair in managed_fields.decode(scale_entries).sets.items()}
        parent = managed_fields.Managed()
        for manager, versioned in self._parent.sets.items():
            if versioned.api_version not in self._paths:
                continue
            path = self._paths[versioned.api_version]
            if path is not None and versioned.fields.has(path) and changed.pop(_nameless(manager), None) is None:
                rest = versioned.fields.difference(fieldset.of([path]))
                if rest.empty:
                    continue
                versioned = versioned.with_fields(rest)
            parent.sets[manager] = versioned
            if manager in self._parent.times:
                parent.times[manager] = self._parent.times[manager]
        own_path = self._paths.get(self._api_version)
        for scale_manager, versioned in changed.items():
            if own_path is None or not versioned.fields.has(REPLICAS):
                continue
            stamp = "" if versioned.applied else self._api_version
            manager = scale_manager._replace(api_version=stamp)
            known = parent.sets.get(manager)
            fields = fieldset.of([own_path])
            if known is not None:
                fields = fields.union(known.fields)
            parent.sets[manager] = managed_fields.VersionedSet(fields, self._api_version, versioned.applied)
            if manager in self._parent.times:
                parent.times[manager] = self._parent.times[manager]
        return managed_fields.encode(parent)


def _nameless(manager: managed_fields.Manager) -> managed_fields.Manager:
    """The manager whatever its version."""
    return manager._replace(api_version="")
