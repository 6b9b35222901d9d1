"""Counts what each ResourceQuota's namespace uses; admission does the same for single requests in between.

Only kinds that some quota names are watched. Changes that free something, or that nobody was asked about, lead to a new
count of the quotas that count that kind.
Upstream: pkg/controller/resourcequota.
"""

import datetime
from typing import Any

from pybernetes.api import kinds, quota
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, quantity
from pybernetes.client import controller, discovery, informer
from pybernetes.controllers.context import ControllerContext

_BATCH = 0.5
"""Several changes are counted together."""
_TYPED: dict[quota.Resource, type[Any]] = {
    ("", "pods"): core.Pod,
    ("", "services"): core.Service,
    ("", "persistentvolumeclaims"): core.PersistentVolumeClaim,
}
"""Kinds of which more matters than their number."""


class ResourceQuotaController:
    """The controller `resourcequota`: a key is a ResourceQuota."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client_for("resourcequota-controller")
        self._clock = context.clock
        self._informers = context.informers
        self._quotas = context.informers.informer(core.ResourceQuota)
        self._resource = self._client.resource(core.ResourceQuota)
        self._period = context.settings.resource_quota_sync_period
        self._monitors: dict[quota.Resource, informer.Informer[Any]] = {}
        self.controller = controller.Controller(
            "resourcequota",
            self.sync_quota,
            clock=context.clock,
            workers=context.settings.concurrent_resource_quota_syncs,
        )
        self.controller.watches(self._quotas, on_add=self._enqueue, on_update=self._quota_updated)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _enqueue(self, one: core.ResourceQuota) -> None:
        self.controller.enqueue(meta.key(one))

    def _quota_updated(self, old: core.ResourceQuota, new: core.ResourceQuota) -> None:
        if old.spec != new.spec or dict(new.status.hard) != dict(new.spec.hard):
            self._enqueue(new)

    # what is counted

    async def _monitor(self, resource: quota.Resource) -> informer.Informer[Any] | None:
        """The cache of a resource's objects; None if there is no such resource."""
        known = self._monitors.get(resource)
        if known is not None:
            return known
        if resource in _TYPED:
            monitor: informer.Informer[Any] = self._informers.informer(_TYPED[resource])
        else:
            found = await self._find_kind(resource)
            if found is None:
                return None
            monitor = self._informers.shared(*found)
        self._monitors[resource] = monitor

        def changed(obj: Any) -> None:
            self._replenish(resource, informer.last_known(obj).metadata.namespace)

        def updated(old: Any, new: Any) -> None:
            if resource in _TYPED and (old.spec, _phase(old)) != (new.spec, _phase(new)):
                changed(new)

        await self._informers.start()
        await monitor.wait_for_sync()
        monitor.add_handler(None, updated, changed)
        monitor.add_handler(changed)
        return monitor

    async def _find_kind(self, resource: quota.Resource) -> tuple[str, str] | None:
        group = resource[0]
        for row in kinds.TABLE.all():
            if (row.group, row.plural) == resource:
                return (f"{group}/{row.version}" if group else row.version), row.kind
        for one in (await discovery.discover(self._client)).preferred():
            if (one.group, one.plural) == resource:
                return one.api_version, one.kind
        return None

    def _replenish(self, resource: quota.Resource, namespace: str) -> None:
        for one in self._quotas.list(namespace):
            if resource in quota.tracked(one.spec.hard):
                self.controller.enqueue_after(meta.key(one), _BATCH)

    # the sync

    async def sync_quota(self, key: str) -> float | None:
        """Count for one quota, and again after a while: admission charges for requests that then fail."""
        one = self._quotas.by_key(key)
        if one is None:
            return None
        spec = meta.to_dict(one.spec)
        now = self._clock.now()
        total: quota.Usage = {}
        wait = self._period
        for group, plural in sorted(quota.tracked(one.spec.hard)):
            monitor = await self._monitor((group, plural))
            if monitor is None:
                continue
            names = quota.relevant(one.spec.hard, group, plural)
            total = dict.fromkeys(names, quantity.ZERO) | total
            for obj in monitor.list(one.metadata.namespace):
                plain = meta.to_dict(obj)
                if quota.matches(spec, group, plural, plain):
                    used = quota.usage(group, plural, plain, now)
                    total = quota.add(total, {name: used[name] for name in names if name in used})
                if (group, plural) == ("", "pods") and (left := _leaves_in(obj, now)) is not None:
                    wait = min(wait, left)
        await self._write(one, {name: str(amount) for name, amount in total.items()})
        return wait

    async def _write(self, one: core.ResourceQuota, total: dict[str, str]) -> None:
        hard = dict(one.spec.hard)
        used = {name: text for name, text in {**one.status.used, **total}.items() if name in hard}
        if dict(one.status.hard) == hard and _same(one.status.used, used):
            return
        gone = {name: None for name in (*one.status.hard, *one.status.used) if name not in hard}
        patch = {
            "metadata": {"resourceVersion": one.metadata.resourceVersion},
            "status": {"hard": {**gone, **hard}, "used": {**gone, **used}},
        }
        try:
            await self._resource.patch(one.metadata.name, patch, one.metadata.namespace, subresource="status")
        except errors.NotFound:
            return


def _phase(obj: Any) -> str:
    return str(getattr(obj.status, "phase", ""))


def _leaves_in(pod: core.Pod, now: datetime.datetime) -> float | None:
    """Seconds until a Pod that is being deleted no longer counts."""
    if pod.metadata.deletionTimestamp is None or not quota.counts(meta.to_dict(pod), now):
        return None
    return float(pod.metadata.deletionGracePeriodSeconds or 0) + 1.0


def _same(one: Any, other: Any) -> bool:
    return {name: quantity.parse(text) for name, text in one.items()} == {
        name: quantity.parse(text) for name, text in other.items()
    }
