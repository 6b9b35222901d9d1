"""Every store of a server, made when it is first asked for, and read access to all objects for hooks and plugins.

Upstream: k8s.io/apiserver/pkg/server/storage, pkg/registry/*/rest (the storage maps).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.apiserver.admission import chain as chains
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.registry import operation, reading, rules, store, strategy, table
from pybernetes.storage import backend as backends

Object = dict[str, Any]


class Stores:
    """The stores by resource. It is itself the `Objects` that strategies and admission plugins read.

    `own` are strategies with state of this server (allocators), in place of those of the table.
    """

    def __init__(
        self,
        served: kinds.KindTable,
        backend: backends.Backend,
        clock: clocks.Clock,
        admission: chains.Chain,
        built_in: rules.Rules = rules.BUILT_IN,
        own: Mapping[tuple[str, str], strategy.Strategy] = MappingProxyType({}),
    ) -> None:
        self.served = served
        self.environment = reading.Environment(backend, clock, self, admission, built_in)
        self._own = own
        self._stores: dict[tuple[str, str], store.Store] = {}
        self._by_row: dict[int, store.Store] = {}

    def of(self, kind: kinds.Kind) -> store.Store:
        """The store of a row's objects."""
        found = self._by_row.get(id(kind))
        if found is None:
            stored = kind if kind.custom else self.served.stored_as(kind)
            found = self._stores.get((stored.group, stored.plural))
            if found is None:
                key = (stored.group, stored.plural)
                rules_of = self._own.get(key) or table.strategy_of(stored)
                found = self._stores[key] = store.Store(stored, rules_of, self.environment)
            self._by_row[id(kind)] = found
        return found

    def replace(self, group: str, plural: str, made: store.Store | None) -> store.Store | None:
        """Have a custom resource in that store, or serve it no more; its objects stay where they are.

        The store until now is the caller's to stop.
        """
        gone = self._stores.pop((group, plural), None)
        if made is not None:
            self._stores[(group, plural)] = made
        self.forget_rows()
        return gone

    def forget_rows(self) -> None:
        """Rows of the table are others now."""
        self._by_row.clear()

    def by_resource(self, group: str, plural: str) -> store.Store | None:
        """The store of a resource, whatever the version."""
        found = self._stores.get((group, plural))
        if found is not None:
            return found
        row = next((row for row in self.served.all() if (row.group, row.plural) == (group, plural)), None)
        return None if row is None else self.of(row)

    async def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        """One object in its storage version, or None."""
        where = self.by_resource(group, resource)
        if where is None:
            return None
        found = (await where.ready()).get(where.key(namespace, name)) or await where.find(namespace, name)
        return None if found is None else found.object()

    async def list(self, group: str, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource (in one namespace when given), in storage version."""
        where = self.by_resource(group, resource)
        if where is None:
            return []
        cache = await where.ready()
        prefix = f"{where.prefix}{namespace}/" if namespace and where.kind.namespaced else ""
        return [one.object() for one in cache.current(prefix or cache.prefix)]

    async def rewrite(
        self, group: str, resource: str, namespace: str, name: str, change: Callable[[Object], object]
    ) -> None:
        """Change an object as the server itself, past hooks and admission; again after a conflict. Raises NotFound."""
        where = self.by_resource(group, resource)
        assert where is not None
        op = operation.Operation(where.kind, users.UserInfo(users.API_SERVER), namespace, name)
        await where.rewrite(op, change)

    async def stop(self) -> None:
        """End all caches and their watches."""
        for one in tuple(self._stores.values()):
            await one.stop()
