"""A Pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise.

Upstream: plugin/pkg/admission/defaulttolerationseconds.
"""

from typing import Any

from pybernetes.apiserver.admission.attributes import Attributes

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
SECONDS = 300


class DefaultTolerationSeconds:
    """The plugin `DefaultTolerationSeconds`."""

    name = "DefaultTolerationSeconds"

    def handles(self, attributes: Attributes) -> bool:
        """Pods, on creation and update."""
        kind = attributes.kind
        return (
            kind.kind == "Pod"
            and not kind.group
            and not attributes.subresource
            and attributes.operation in ("CREATE", "UPDATE")
        )

    async def admit(self, attributes: Attributes) -> None:
        """Add the two tolerations where nothing tolerates those taints."""
        assert attributes.object is not None
        spec = attributes.object["spec"]
        tolerations = list(spec.get("tolerations") or ())
        missing = [key for key in (NOT_READY, UNREACHABLE) if not any(_tolerates(one, key) for one in tolerations)]
        if missing:
            spec["tolerations"] = tolerations + [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
                for key in missing
            ]

    async def validate(self, attributes: Attributes) -> None:
        """Nothing to refuse."""


def _tolerates(toleration: dict[str, Any], key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")
