"""Gathers the rules of labelled ClusterRoles into those that aggregate them (admin, edit, view).

Upstream: pkg/controller/clusterroleaggregation.
"""

from pybernetes.api.types import meta, rbac
from pybernetes.apimachinery import errors, labels
from pybernetes.client import controller
from pybernetes.controllers.context import ControllerContext

FIELD_MANAGER = "clusterrole-aggregation-controller"


class ClusterRoleAggregationController:
    """The controller `clusterrole-aggregation`: a key is a ClusterRole with an aggregation rule."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("clusterrole-aggregation-controller")
        self._roles = context.informers.informer(rbac.ClusterRole)
        self._resource = client.resource(rbac.ClusterRole)
        self._aggregating: set[str] = set()
        self.controller = controller.Controller(
            "ClusterRoleAggregator", self.sync_cluster_role, clock=context.clock, workers=5
        )
        self.controller.watches(self._roles, key=self._keys)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _keys(self, role: rbac.ClusterRole) -> set[str]:
        """Any change may concern every role that aggregates: there are few of those."""
        name = role.metadata.name
        present = self._roles.get("", name)
        if present is not None and present.aggregationRule is not None:
            self._aggregating.add(name)
        else:
            self._aggregating.discard(name)
        return self._aggregating

    async def sync_cluster_role(self, name: str) -> None:
        """Set the rules of one role."""
        role = self._roles.get("", name)
        if role is None or role.aggregationRule is None:
            return
        rules = self._gather(role, role.aggregationRule)
        if rules == role.rules:
            return
        patch = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [meta.to_dict(rule) for rule in rules],
        }
        try:
            await self._resource.patch(name, patch, type="apply", field_manager=FIELD_MANAGER, force=True)
        except errors.NotFound:
            return

    def _gather(self, role: rbac.ClusterRole, rule: rbac.AggregationRule) -> tuple[rbac.PolicyRule, ...]:
        found: dict[rbac.PolicyRule, None] = {}
        for selector in rule.clusterRoleSelectors:
            selected = self._roles.list("", labels.from_label_selector(meta.to_dict(selector)))
            for other in sorted(selected, key=lambda one: one.metadata.name):
                if other.metadata.name != role.metadata.name:
                    found.update(dict.fromkeys(other.rules))
        return tuple(found)
