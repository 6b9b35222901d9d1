"""THE table of kinds: names, scope, verbs, subresources of everything that is served.

Adding a built-in kind is a row here (and code only where it differs: defaults, validation, strategy, columns). Rows of
custom resources are added to the same table at run time.
Upstream: pkg/controlplane/instance.go, pkg/registry/*/rest.
"""

import dataclasses

from pybernetes.apimachinery import gvk

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclasses.dataclass(frozen=True, slots=True)
class Subresource:
    """A part of a kind with its own path: `status`, `scale`, `log`; `group/version/kind` name its body."""

    name: str
    verbs: tuple[str, ...]
    group: str
    version: str
    kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One served resource in one version.

    `storage_group`/`storage_version` name the form in which objects of the resource are stored; rows that share
    `group_resource` (or, across groups, `storage_key`) are views of the same objects.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = READ_WRITE
    subresources: tuple[Subresource, ...] = ()
    storage_version: str = ""
    storage_key: str = ""
    list_kind: str = ""

    @property
    def gvk(self) -> gvk.GroupVersionKind:
        """Group, version and kind as one value."""
        return gvk.GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`: as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def subresource(self, name: str) -> Subresource | None:
        """The row's subresource of that name, if it has one."""
        return next((sub for sub in self.subresources if sub.name == name), None)
