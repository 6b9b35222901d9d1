"""The objects of one resource: the only place that creates, changes and deletes them.

Every write passes the same steps, top to bottom: convert to the working version, mutating admission, metadata, the
strategy's hooks (`strategy.py` has their order), validation, validating admission, encode, compare-and-set. A write
without a resourceVersion of its own starts again when somebody else was faster. The working version is the storage
version of built-in kinds and the version the client speaks for custom resources.
Path: 8 strategy prepares and validates; validating admission has the last word.
Upstream: k8s.io/apiserver/pkg/registry/generic/registry/store.go, pkg/registry/rest/{create,update}.go.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pybernetes.api import kinds
from pybernetes.apimachinery import errors, fieldpath, goformat, gvk, meta, names, timestamps
from pybernetes.apiserver.admission import attributes as admission
from pybernetes.apiserver.admission import chain as chains
from pybernetes.apiserver.registry import deletion, metadata, operation, reading, strategy
from pybernetes.storage import backend as backends
from pybernetes.storage import cached
from pybernetes.telemetry import traces

Object = dict[str, Any]
Mutate = Callable[[Object | None], Awaitable[Object]]
"""Makes the new object from the current one (both in the client's version); called again after a conflict."""

NAME_ATTEMPTS = 8
MAX_OBJECT_BYTES = 1_572_864

_encode = msgspec.json.Encoder().encode


class Store(reading.StoredObjects):
    """See the module."""

    def context(self, op: operation.Operation) -> strategy.Context:
        """What hooks may know of this write."""
        return strategy.Context(
            kind=self.working(op),
            user=op.user.name,
            clock=self.environment.clock,
            objects=self.environment.objects,
            dry_run=op.dry_run,
            subresource=op.subresource,
            requester=op.user,
            warnings=op.warnings,
        )

    def working(self, op: operation.Operation) -> kinds.Kind:
        """In which version hooks, validation and admission see the object."""
        return op.kind if op.kind.custom else self.kind

    def attributes(
        self, op: operation.Operation, verb: str, new: Object | None, old: Object | None
    ) -> admission.Attributes:
        """The write as admission plugins see it."""
        return admission.Attributes(
            kind=op.kind,
            subresource=op.subresource,
            operation=verb,
            namespace=op.namespace,
            name=op.name,
            object=new if op.view is None or new is None else op.view.show(new),
            old_object=old if op.view is None or old is None else op.view.show(old),
            options=op.options,
            user=op.user,
            dry_run=op.dry_run,
            clock=self.environment.clock,
            objects=self.environment.objects,
            authorizer=self.environment.authorizer,
            versions=self,
            webhooks=self.environment.webhooks,
            warnings=op.warnings,
            audit_annotations=op.audit_annotations,
        )

    def invalid(self, name: str, found: fieldpath.ErrorList) -> errors.Invalid:
        """The 422 for an object of this resource."""
        return errors.Invalid(gvk.GroupKind(self.kind.group, self.kind.kind), name, found)

    # --- create

    async def create(self, op: operation.Operation, obj: Object) -> cached.Cached:
        """Write a new object. Raises AlreadyExists, Invalid, and what admission refuses with."""
        place(obj, op.namespace if self.kind.namespaced else "")
        new = await self.convert(obj, self.working(op))
        asked = self.attributes(op, "CREATE", new, None)
        new = await _admitted(self.environment.admission, asked)
        base = new["metadata"].get("generateName")
        generated = bool(base) and not new["metadata"].get("name")
        for attempt in range(NAME_ATTEMPTS):
            if generated:
                new["metadata"]["name"] = names.generate_name(base, self.environment.clock.random)
            context = self.context(op)
            try:
                return await self._create_once(op, context, new)
            except backends.KeyExists as conflict:
                await _roll_back(context)
                if not generated:
                    raise await self._exists(op, new) from conflict
                if attempt == NAME_ATTEMPTS - 1:
                    raise errors.GenerateNameConflict(self.resource, new["metadata"]["name"]) from conflict
            except BaseException:
                await _roll_back(context)
                raise
        raise AssertionError("unreachable")

    async def _exists(self, op: operation.Operation, new: Object) -> errors.AlreadyExists:
        name = new["metadata"]["name"]
        error = errors.AlreadyExists(self.resource, name)
        there = await self.find(op.namespace, name)
        if there is not None and meta.is_deleting(there.object()):
            error.message = f"object is being deleted: {error.message}"
        return error

    async def _create_once(self, op: operation.Operation, context: strategy.Context, new: Object) -> cached.Cached:
        rules, facts = self.strategy, new["metadata"]
        facts["creationTimestamp"] = timestamps.format_time(self.environment.clock.now())
        facts["uid"] = meta.new_uid(self.environment.clock.random)
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            facts.pop(name, None)
        if rules.generation:
            facts["generation"] = 1
        if rules.status and not rules.status_on_create and context.kind.subresource("status") is not None:
            new.pop("status", None)
        rules.prepare_for_create(context, new)
        found = metadata.validate(facts, namespaced=self.kind.namespaced, check=rules.name_check)
        found += self.environment.rules.validate(op.kind, new)
        found += rules.validate(context, new)
        if found:
            raise self.invalid(facts.get("name", ""), found)
        await rules.begin_create(context, new)
        self._warn(context, new, None)
        rules.canonicalize(context, new)
        await self.environment.admission.validate(self.attributes(op, "CREATE", new, None))
        if facts.get("resourceVersion"):
            raise errors.StatusError("resourceVersion should not be set on objects to be created")
        value = self.encode(await self.convert(new, self.kind))
        key = self.key(facts.get("namespace", ""), facts["name"])
        if op.dry_run:
            if await self.current(key) is not None:
                raise backends.KeyExists(key)
            return self.as_cached(key, value, 0)
        self._check_size(value)
        traces.step(7, key)
        record = await self.environment.backend.create(key, value)
        context.rollbacks.clear()
        return self.served(record)

    def _warn(self, context: strategy.Context, new: Object, old: Object | None) -> None:
        if not self.kind.custom and context.subresource != "status":
            known = context.warnings
            known += (text for text in self.environment.rules.warnings(self.kind, new, old) if text not in known)
        self.strategy.warnings(context, new, old)

    def _check_size(self, value: bytes) -> None:
        if len(value) > MAX_OBJECT_BYTES:
            raise errors.RequestEntityTooLarge(f"limit is {MAX_OBJECT_BYTES}")

    # --- update

    async def update(
        self,
        op: operation.Operation,
        mutate: Mutate,
        wanted: operation.Preconditions = operation.Preconditions(),  # noqa: B008 - frozen
        *,
        may_create: bool = False,
    ) -> tuple[cached.Cached, bool]:
        """Write what `mutate` makes of the current object; the flag says whether it had to be created.

        Raises NotFound, Conflict, Invalid, and what admission or `mutate` refuse with.
        """
        key = self.key(op.namespace, op.name)
        current = await self.current(key)
        while True:
            if current is None:
                if not (may_create or self.strategy.allow_create_on_update) or op.subresource:
                    raise errors.NotFound(self.resource, op.name)
                return await self._create_on_update(op, mutate, wanted), True
            context = self.context(op)
            try:
                return await self._update_once(op, context, mutate, current, wanted), False
            except backends.CompareFailed as conflict:
                await _roll_back(context)
                current = None if conflict.current is None else self.served(conflict.current)
            except BaseException:
                await _roll_back(context)
                raise

    async def _create_on_update(
        self, op: operation.Operation, mutate: Mutate, wanted: operation.Preconditions
    ) -> cached.Cached:
        new = await mutate(None)
        if wanted.uid:
            text = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: "
            raise self._precondition(self.key(op.namespace, op.name), op.name, text)
        new["metadata"].pop("resourceVersion", None)
        return await self.create(op, new)

    async def _update_once(
        self,
        op: operation.Operation,
        context: strategy.Context,
        mutate: Mutate,
        current: cached.Cached,
        wanted: operation.Preconditions,
    ) -> cached.Cached:
        stored = current.object()
        new = await mutate(await self.convert(current.object(), op.kind))
        old = await self.convert(stored, context.kind)
        if wanted.uid and wanted.uid != old["metadata"]["uid"]:
            text = (
                f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {old['metadata']['uid']}"
            )
            raise self._precondition(self.key(op.namespace, op.name), op.name, text)
        place(new, op.namespace if self.kind.namespaced else "")
        new = await self.convert(new, context.kind)
        asked = self.attributes(op, "UPDATE", new, old)
        new = await _admitted(self.environment.admission, asked, new, op.view)
        self._check_version(op, new, current)
        self._prepare_update(context, new, old)
        found = metadata.validate_update(new["metadata"], old["metadata"], namespaced=self.kind.namespaced)
        found += self.environment.rules.validate_update(op.kind, new, old, context.subresource)
        found += self.strategy.validate_update(context, new, old)
        if found:
            raise self.invalid(new["metadata"].get("name", ""), found)
        await self.strategy.begin_update(context, new, old)
        self._warn(context, new, old)
        self.strategy.canonicalize(context, new)
        await self.environment.admission.validate(self.attributes(op, "UPDATE", new, old))
        return await self._write(op, context, await self.convert(new, self.kind), current, stored)

    def _check_version(self, op: operation.Operation, new: Object, current: cached.Cached) -> None:
        """Refuse a change that was made to an older state."""
        given = new["metadata"].get("resourceVersion") or ""
        if not given or given == "0":
            if not self.strategy.allow_unconditional_update:
                path = fieldpath.Path("metadata").child("resourceVersion")
                text = "must be specified for an update"
                # Upstream names the resource where the kind belongs.
                about = gvk.GroupKind(self.kind.group, self.kind.plural)
                raise errors.Invalid(about, op.name, [fieldpath.invalid(path, 0, text)])
            new["metadata"]["resourceVersion"] = str(current.revision)
        elif given != str(current.revision):
            if not given.isdecimal():
                text = f"strconv.ParseUint: parsing {goformat.quote(given)}: invalid syntax"
                raise errors.StatusError(text, reason="")
            raise errors.Conflict(self.resource, op.name)

    def _prepare_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        facts, before = new["metadata"], old["metadata"]
        _keep(facts, before, "generation")
        context.submitted_status = new.get("status")
        if context.subresource == "status":
            _keep_all_but_status(new, old)
        elif self.strategy.status and context.kind.subresource("status") is not None:
            _keep(new, old, "status")
        self.strategy.prepare_for_update(context, new, old)
        facts = new["metadata"]
        if self.strategy.generation and context.subresource != "status":
            noted = self.strategy.generation_of_annotations and facts.get("annotations") != before.get("annotations")
            if noted or _wants_other(new, old):
                facts["generation"] = before.get("generation", 0) + 1
        if not facts.get("uid"):
            facts["uid"] = before["uid"]
        _keep(facts, before, "creationTimestamp")
        if before.get("deletionTimestamp"):
            facts["deletionTimestamp"] = before["deletionTimestamp"]
            if "deletionGracePeriodSeconds" in before and facts.get("deletionGracePeriodSeconds") is None:
                facts["deletionGracePeriodSeconds"] = before["deletionGracePeriodSeconds"]

    async def _write(
        self, op: operation.Operation, context: strategy.Context, new: Object, current: cached.Cached, stored: Object
    ) -> cached.Cached:
        """Store the new state, or the end of the object if that was the last thing that held it."""
        key, revision = current.key, current.revision
        value = self.encode(new, stored)
        if deletion.over(self.strategy, new, stored):
            if not op.dry_run:
                await self.environment.backend.delete(key, expected=revision)
                context.rollbacks.clear()
                await self.strategy.after_delete(context, new)
            return self.unstored(key, value, revision)
        served = cached.with_revision(value, revision)
        if served == current.data or msgspec.json.decode(served) == stored:
            # Nothing has changed: no revision, no event.
            context.rollbacks.clear()
            return current
        if op.dry_run:
            return self.unstored(key, value, revision)
        self._check_size(value)
        record = await self.environment.backend.update(key, value, expected=revision)
        context.rollbacks.clear()
        await self.strategy.after_update(stored, new)
        return self.served(record)

    async def rewrite(
        self,
        op: operation.Operation,
        change: Callable[[Object], object],
        wanted: operation.Preconditions = operation.Preconditions(),  # noqa: B008 - frozen
    ) -> cached.Cached:
        """Change the stored object as the server itself does for a subresource: no hooks, no admission, no validation.

        `change` gets the newest object and may refuse by raising; it is called again after a conflict.
        """
        key = self.key(op.namespace, op.name)
        current = await self.current(key)
        while True:
            if current is None:
                raise errors.NotFound(self.resource, op.name)
            obj = current.object()
            deletion.check_preconditions(self.resource, obj, wanted)
            change(obj)
            value = self.encode(obj)
            if op.dry_run:
                return self.unstored(key, value, current.revision)
            try:
                return self.served(await self.environment.backend.update(key, value, expected=current.revision))
            except backends.CompareFailed as conflict:
                current = None if conflict.current is None else self.served(conflict.current)

    def unstored(self, key: str, value: bytes, revision: int) -> cached.Cached:
        """What an update would have stored, or what a deleted object was last."""
        return cached.Cached(key, revision, cached.with_revision(value, revision), self._extract)

    def _precondition(self, key: str, name: str, text: str) -> errors.Conflict:
        about = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0"
        return errors.Conflict(self.resource, name, f"{about}, AdditionalErrorMsg: {text}")


async def _admitted(
    chain: chains.Chain, asked: admission.Attributes, seen: Object | None = None, view: operation.View | None = None
) -> Object:
    """What mutating admission makes of the object; `view` is how it sees `seen`."""
    await chain.admit(asked)
    assert asked.object is not None
    if view is not None and seen is not None:
        view.put(seen, asked.object)
        return seen
    place(asked.object, asked.namespace)
    return asked.object


def place(obj: Object, namespace: str) -> None:
    """The object's namespace is the request's; raises BadRequest where it says another one."""
    facts = meta.metadata(obj)
    given = facts.get("namespace") or ""
    if given != namespace:
        if given and namespace:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise errors.BadRequest(text)
        facts["namespace"] = namespace
        if not namespace:
            del facts["namespace"]


def _keep(new: Object, old: Object, member: str) -> None:
    if member in old:
        new[member] = old[member]
    else:
        new.pop(member, None)


def _keep_all_but_status(new: Object, old: Object) -> None:
    """A write of the status subresource changes status and, of metadata, what its kind does not forbid."""
    for member in {*new, *old} - {"kind", "apiVersion", "metadata", "status"}:
        _keep(new, old, member)
    _keep(new["metadata"], old["metadata"], "ownerReferences")


def _wants_other(new: Object, old: Object) -> bool:
    """Whether anything but metadata and status differs."""
    ignored = {"kind", "apiVersion", "metadata", "status"}
    return any(new.get(member) != old.get(member) for member in {*new, *old} - ignored)


async def _roll_back(context: strategy.Context) -> None:
    """Give back what begin_* allocated for a write that did not happen."""
    while context.rollbacks:
        await context.rollbacks.pop()()
