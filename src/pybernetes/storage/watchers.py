"""Which watchers a change can concern: found by scope or by an exact field, so that most are never asked. Pure.

A watcher is filed under one place: an exact field of its selection (`metadata.name=n1`: a kubelet's node,
`spec.nodeName=n1`: its pods) if it has one, else its scope (the resource, a namespace, one object).
Upstream: k8s.io/apiserver/pkg/storage/cacher/cacher.go (indexedWatchers, triggers).
"""

import collections
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pybernetes.storage import cached, watcher

Place = TypeVar("Place", str, tuple[str, str])

NAME = "metadata.name"
NAMESPACE = "metadata.namespace"


class Watchers:
    """The watchers of one resource."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._scopes: dict[str, dict[watcher.Watcher, None]] = {}
        self._values: dict[tuple[str, str], dict[watcher.Watcher, None]] = {}
        self._fields: collections.Counter[str] = collections.Counter()

    def __len__(self) -> int:
        return sum(map(len, self._scopes.values())) + sum(map(len, self._values.values()))

    def __iter__(self) -> Iterator[watcher.Watcher]:
        for group in (*self._scopes.values(), *self._values.values()):
            yield from tuple(group)

    def add(self, one: watcher.Watcher) -> None:
        """File a watcher where changes that concern it will look."""
        exact = one.selection.exact_fields()
        field = NAME if NAME in exact else next((name for name in exact if name != NAMESPACE), "")
        if field:
            one.trigger = field, exact[field]
            self._fields[field] += 1
            self._values.setdefault(one.trigger, {})[one] = None
        else:
            self._scopes.setdefault(one.scope, {})[one] = None

    def remove(self, one: watcher.Watcher) -> None:
        """Forget a watcher; harmless when repeated."""
        if one.trigger is None:
            self._drop(self._scopes, one.scope, one)
        elif self._drop(self._values, one.trigger, one):
            field = one.trigger[0]
            self._fields[field] -= 1
            if not self._fields[field]:
                del self._fields[field]

    @staticmethod
    def _drop(places: dict[Place, dict[watcher.Watcher, None]], place: Place, one: watcher.Watcher) -> bool:
        group = places.get(place)
        if group is None or one not in group:
            return False
        del group[one]
        if not group:
            del places[place]
        return True

    def interested(self, change: cached.Change) -> Iterable[watcher.Watcher]:
        """Those whose scope and exact field allow the change; they still have to judge it."""
        found: list[watcher.Watcher] = []
        scopes, key = self._scopes, change.key
        if scopes:
            found += scopes.get(self._prefix, ())
            parent = key[: key.rfind("/") + 1]
            if parent != self._prefix:
                found += scopes.get(parent, ())
            found += scopes.get(key, ())
        for field in self._fields:
            found += self._at(field, change)
        return found

    def _at(self, field: str, change: cached.Change) -> Iterable[watcher.Watcher]:
        if field == NAME:
            # The key ends in the name: no need to look into the object.
            return self._values.get((NAME, change.key[change.key.rfind("/") + 1 :]), ())
        states = (change.current, change.previous)
        values = {state.fields.get(field, "") for state in states if state is not None}
        return [one for value in values for one in self._values.get((field, value), ())]
