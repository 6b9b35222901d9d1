"""The admission plugins in their order: all mutate first, then all validate.

Path: 7 mutating admission, 8 validating admission has the last word.
Upstream: pkg/kubeapiserver/options/plugins.go (the order), k8s.io/apiserver/pkg/admission/chain.go.
"""

from collections.abc import Sequence
from typing import Any

from pybernetes.apiserver.admission import (
    certificates,
    default_toleration_seconds,
    limit_ranger,
    namespace_lifecycle,
    node_restriction,
    priority,
    resource_quota,
    runtime_class,
    service_account,
    storage_object_in_use_protection,
    taint_nodes_by_condition,
    webhook,
)
from pybernetes.apiserver.admission.attributes import Attributes, Plugin

DEFAULT_PLUGINS: tuple[Plugin, ...] = (
    namespace_lifecycle.NamespaceLifecycle(),
    limit_ranger.LimitRanger(),
    service_account.ServiceAccount(),
    node_restriction.NodeRestriction(),
    taint_nodes_by_condition.TaintNodesByCondition(),
    priority.Priority(),
    default_toleration_seconds.DefaultTolerationSeconds(),
    storage_object_in_use_protection.StorageObjectInUseProtection(),
    runtime_class.RuntimeClass(),
    *certificates.PLUGINS,
    webhook.MutatingAdmissionWebhook(),
    webhook.ValidatingAdmissionWebhook(),
    # last: what it charges is taken
    resource_quota.ResourceQuota(),
)


class Chain:
    """Runs every plugin that handles a request; the first refusal ends it."""

    def __init__(self, plugins: Sequence[Plugin] = DEFAULT_PLUGINS) -> None:
        self.plugins = tuple(plugins)

    async def admit(self, attributes: Attributes) -> None:
        """Let every plugin change the object, again after a webhook did. Raises what a plugin refuses with."""
        await self._admit(attributes)
        state = attributes.reinvocation
        if state is not None and state.wanted:
            state.again = True
            await self._admit(attributes)

    async def _admit(self, attributes: Attributes) -> None:
        for plugin in self.plugins:
            if plugin.handles(attributes):
                await plugin.admit(attributes)

    async def both(self, attributes: Attributes) -> Any:
        """Both phases at once, for what is not stored as it is; the object as webhooks have left it."""
        await self.admit(attributes)
        await self.validate(attributes)
        return attributes.object

    async def validate(self, attributes: Attributes) -> None:
        """Let every plugin judge the final object. Raises what a plugin refuses with."""
        for plugin in self.plugins:
            if plugin.handles(attributes):
                await plugin.validate(attributes)
