"""Who owns whom: the graph behind cascading deletion.

A node is kept only for an object that has owners, or that somebody names as owner. An owner that is named before it was
seen is *virtual*: it is looked up live, and either turns up in a watch (and becomes observed) or is absent, which its
dependents are then told. Every change returns what is to be done about it as `Effects`.

    nobody ---> virtual ---> observed ---> (deletion starts) ---> gone
                   \\__ absent: dependents are looked at _________/

Upstream: pkg/controller/garbagecollector (graph.go, graph_builder.go, uid_cache.go). Pure.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pybernetes.api.types import meta
from pybernetes.apimachinery.meta import FINALIZER_DELETE_DEPENDENTS, FINALIZER_ORPHAN_DEPENDENTS

ABSENT_OWNERS = 500
"""So many owners are remembered as absent."""


class Identity(NamedTuple):
    """One object, by all its names."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        where = f"namespace: {self.namespace}, name: {self.name}, uid: {self.uid}"
        return f"[{self.api_version}/{self.kind}, {where}]"

    def is_named_by(self, reference: meta.OwnerReference) -> bool:
        """Whether the reference means this very object, whatever the namespace."""
        return (reference.apiVersion, reference.kind, reference.name, reference.uid) == (
            self.api_version,
            self.kind,
            self.name,
            self.uid,
        )


def identity_of(reference: meta.OwnerReference, namespace: str) -> Identity:
    """The owner that a reference in an object of that namespace means."""
    return Identity(reference.apiVersion, reference.kind, namespace, reference.name, reference.uid)


class Node:
    """One object; `virtual` until a watch has shown it."""

    __slots__ = (
        "attempts",
        "being_deleted",
        "deleting_dependents",
        "dependents",
        "identity",
        "owners",
        "virtual",
    )

    def __init__(self, identity: Identity, *, virtual: bool) -> None:
        self.identity = identity
        self.virtual = virtual
        self.owners: tuple[meta.OwnerReference, ...] = ()
        self.dependents: set[Node] | None = None
        self.being_deleted = False
        self.deleting_dependents = False
        self.attempts = 0
        """How often it was looked up while virtual."""

    def all_dependents(self) -> list["Node"]:
        """Those that name it as an owner, in a stable order."""
        return sorted(self.dependents or (), key=lambda node: node.identity)

    def blocking_dependents(self) -> list["Node"]:
        """Those that must be gone before a foreground deletion ends."""
        uid = self.identity.uid
        return [
            node
            for node in self.all_dependents()
            if any(reference.uid == uid and reference.blockOwnerDeletion for reference in node.owners)
        ]


@dataclasses.dataclass(slots=True)
class Effects:
    """What a change of the graph calls for."""

    attempt_to_delete: list[str] = dataclasses.field(default_factory=list)
    attempt_to_orphan: list[str] = dataclasses.field(default_factory=list)
    invalid_namespace: list[tuple[Identity, Identity]] = dataclasses.field(default_factory=list)
    """Dependents, and the owners they name that live in another namespace."""

    def delete(self, *nodes: Node) -> None:
        """These need a look."""
        self.attempt_to_delete += [node.identity.uid for node in nodes]


class AbsentOwners:
    """The owners last found absent; the oldest are forgotten."""

    def __init__(self, limit: int = ABSENT_OWNERS) -> None:
        self._limit = limit
        self._known: collections.OrderedDict[Identity, None] = collections.OrderedDict()

    def add(self, identity: Identity) -> None:
        """It does not exist; uids are never used again, so this stays true."""
        self._known[identity] = None
        self._known.move_to_end(identity)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def __contains__(self, identity: Identity) -> bool:
        return identity in self._known


Find = Callable[[meta.OwnerReference, str], Identity | None]
"""The owner that a reference from that namespace means, if a cache shows an object with its uid anywhere."""


class Graph:
    """All nodes by uid."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._nodes: dict[str, Node] = {}
        self.absent = AbsentOwners()

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        """The node of an object."""
        return self._nodes.get(uid)

    def nodes(self) -> list[Node]:
        """All of them (for the debug page)."""
        return [*self._nodes.values()]

    # what the watches show

    def observe(self, identity: Identity, metadata: meta.ObjectMeta, old: meta.ObjectMeta | None = None) -> Effects:
        """An object was added or changed; `old` is its state before, if it was known."""
        effects = Effects()
        node = self._nodes.get(identity.uid)
        if node is None:
            if not metadata.ownerReferences and not _ends_with_dependents(metadata):
                return effects
            node = self._nodes[identity.uid] = Node(identity, virtual=False)
            node.owners = metadata.ownerReferences
            self._add_to_owners(node, node.owners, effects)
        else:
            if node.virtual:
                self._becomes_observed(node, identity, effects)
            self._change_owners(node, metadata.ownerReferences, effects)
        node.being_deleted = node.being_deleted or metadata.deletionTimestamp is not None
        self._transition(node, metadata, old, effects)
        self._forget_isolated(node)
        return effects

    def remove(self, identity: Identity) -> Effects:
        """A watch showed that the object is gone."""
        effects = Effects()
        node = self._nodes.get(identity.uid)
        if node is not None:
            self._remove(node, identity, effects)
        return effects

    def remove_absent(self, identity: Identity) -> Effects:
        """A live read found no such object: perhaps it never existed, perhaps it exists under other names."""
        effects = Effects()
        node = self._nodes.get(identity.uid)
        if node is None:
            return effects
        if not node.virtual and node.identity == identity:
            self._remove(node, identity, effects)
            return effects
        matching, others = partition_dependents(node.all_dependents(), identity)
        if node.virtual and not others:
            self._remove(node, identity, effects)
            return effects
        if matching:
            self.absent.add(identity)
            effects.delete(*matching)
        if node.virtual and node.identity == identity:
            replacement = alternate_owner(others, identity)
            if replacement is not None:
                node.identity = replacement
                effects.delete(node)
        return effects

    # steps

    def _becomes_observed(self, node: Node, identity: Identity, effects: Effects) -> None:
        if identity != node.identity:
            _, invalid = partition_dependents(node.all_dependents(), identity)
            for dependent in invalid:
                if identity.namespace and dependent.identity.namespace != identity.namespace:
                    _report(dependent, identity.uid, effects)
                effects.delete(dependent)
            node.identity = identity
        node.virtual = False

    def _change_owners(self, node: Node, owners: tuple[meta.OwnerReference, ...], effects: Effects) -> None:
        before = node.owners
        if before == owners:
            return
        old, new = {one.uid: one for one in before}, {one.uid: one for one in owners}
        for uid, reference in old.items():
            still_blocks = uid in new and new[uid].blockOwnerDeletion
            if reference.blockOwnerDeletion and not still_blocks and (owner := self._nodes.get(uid)) is not None:
                effects.delete(owner)
        node.owners = owners
        self._add_to_owners(node, [one for uid, one in new.items() if uid not in old], effects)
        self._remove_from_owners(node, [one for uid, one in old.items() if uid not in new])

    def _add_to_owners(self, node: Node, owners: Iterable[meta.OwnerReference], effects: Effects) -> None:
        suspect = False
        for reference in owners:
            owner = self._nodes.get(reference.uid)
            if owner is None:
                owner = self._new_owner(node, reference)
                if owner.virtual:
                    effects.delete(owner)
            if owner.dependents is None:
                owner.dependents = set()
            owner.dependents.add(node)
            suspect = self._is_suspect(node, reference, owner, effects) or suspect
        if suspect:
            effects.delete(node)

    def _new_owner(self, node: Node, reference: meta.OwnerReference) -> Node:
        seen = self._find(reference, node.identity.namespace)
        owner = Node(seen or identity_of(reference, node.identity.namespace), virtual=seen is None)
        self._nodes[reference.uid] = owner
        return owner

    @staticmethod
    def _is_suspect(node: Node, reference: meta.OwnerReference, owner: Node, effects: Effects) -> bool:
        """Whether the reference may not mean the object that has its uid."""
        here, there = node.identity.namespace, owner.identity.namespace
        if there and there != here:
            if not owner.virtual:
                _report(node, reference.uid, effects)
            return True
        if not owner.identity.is_named_by(reference):
            return True
        return owner.virtual and not there and there != here

    def _remove_from_owners(self, node: Node, owners: Iterable[meta.OwnerReference]) -> None:
        for reference in owners:
            owner = self._nodes.get(reference.uid)
            if owner is not None and owner.dependents is not None:
                owner.dependents.discard(node)
                self._forget_isolated(owner)

    def _transition(self, node: Node, metadata: meta.ObjectMeta, old: meta.ObjectMeta | None, effects: Effects) -> None:
        if _starts_with(metadata, old, FINALIZER_ORPHAN_DEPENDENTS):
            effects.attempt_to_orphan.append(node.identity.uid)
        elif _starts_with(metadata, old, FINALIZER_DELETE_DEPENDENTS):
            node.deleting_dependents = True
            effects.delete(*node.all_dependents(), node)

    def _remove(self, node: Node, identity: Identity, effects: Effects) -> None:
        del self._nodes[node.identity.uid]
        waiting = [
            owner
            for reference in node.owners
            if (owner := self._nodes.get(reference.uid)) is not None and owner.deleting_dependents
        ]
        self._remove_from_owners(node, node.owners)
        if node.dependents:
            self.absent.add(identity)
        effects.delete(*node.all_dependents(), *waiting)

    def _forget_isolated(self, node: Node) -> None:
        """An observed object that owns nothing and is owned by nobody needs no node."""
        if not (node.owners or node.dependents or node.virtual or node.being_deleted):
            self._nodes.pop(node.identity.uid, None)


def _ends_with_dependents(metadata: meta.ObjectMeta) -> bool:
    """Whether it is being deleted in a way that concerns its dependents."""
    if metadata.deletionTimestamp is None:
        return False
    return FINALIZER_DELETE_DEPENDENTS in metadata.finalizers or FINALIZER_ORPHAN_DEPENDENTS in metadata.finalizers


def _starts_with(metadata: meta.ObjectMeta, old: meta.ObjectMeta | None, finalizer: str) -> bool:
    """Whether the object is being deleted with that finalizer, and was not before."""
    if metadata.deletionTimestamp is None or finalizer not in metadata.finalizers:
        return False
    return old is None or old.deletionTimestamp is None or finalizer not in old.finalizers


def _report(dependent: Node, owner_uid: str, effects: Effects) -> None:
    reference = next((one for one in dependent.owners if one.uid == owner_uid), None)
    if reference is not None:
        wrong = identity_of(reference, dependent.identity.namespace)
        effects.invalid_namespace.append((dependent.identity, wrong))


def partition_dependents(dependents: Iterable[Node], owner: Identity) -> tuple[list[Node], list[Node]]:
    """Dependents that mean exactly this owner, and those that name its uid but something else besides."""
    matching, others = [], []
    for node in dependents:
        if owner.namespace and owner.namespace != node.identity.namespace:
            others.append(node)
            continue
        references = [one for one in node.owners if one.uid == owner.uid]
        if any(owner.is_named_by(one) for one in references):
            matching.append(node)
        if not all(owner.is_named_by(one) for one in references):
            others.append(node)
    return matching, others


def alternate_owner(dependents: Iterable[Node], absent: Identity) -> Identity | None:
    """Another object that dependents may mean by the uid of an absent one: the next in order, else the first."""
    found: set[Identity] = set()
    for node in dependents:
        for reference in node.owners:
            if reference.uid != absent.uid:
                continue
            if absent.is_named_by(reference) and absent.namespace in ("", node.identity.namespace):
                continue
            candidate = identity_of(reference, node.identity.namespace)
            if not absent.namespace and (candidate.api_version, candidate.kind) == (absent.api_version, absent.kind):
                candidate = candidate._replace(namespace="")
            found.add(candidate)
    found.discard(absent)
    ordered = sorted(found, key=_order)
    return next((one for one in ordered if _order(one) > _order(absent)), ordered[0] if ordered else None)


def _order(identity: Identity) -> tuple[str, ...]:
    return identity.kind, identity.api_version, identity.namespace, identity.name, identity.uid
