"""CertificateSigningRequests: who asks is what the server saw; approval, status and the rest each have their path.

Upstream: pkg/registry/certificates/certificates.
"""

from typing import Any

from pybernetes.apimachinery import names, timestamps
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

VERDICTS = ("Approved", "Denied")


class SigningRequestStrategy(strategy.Strategy):
    """The requester's identity comes from authentication, never from the body."""

    generation = False
    name_check = staticmethod(names.is_path_segment_name)

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Write down who asks."""
        spec = new.setdefault("spec", {})
        for member in ("username", "uid", "groups", "extra"):
            spec.pop(member, None)
        user = context.requester
        if user is not None:
            identity: dict[str, Any] = {
                "username": user.name,
                "uid": user.uid,
                "groups": list(user.groups),
                "extra": {name: list(values) for name, values in user.extra.items()},
            }
            spec.update({member: value for member, value in identity.items() if value})

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Spec never changes; approval changes conditions alone, status all but the verdicts."""
        new["spec"] = old["spec"]
        if not context.subresource:
            return
        before = old.get("status") or {}
        conditions = (context.submitted_status or {}).get("conditions") or []
        _stamp(context, conditions, before.get("conditions") or [])
        if context.subresource == "approval":
            new["status"] = {**before, **({"conditions": conditions} if conditions else {})}
        elif conditions:
            new["status"]["conditions"] = _with_verdicts_of(before.get("conditions") or [], conditions)


def _stamp(context: strategy.Context, conditions: list[Object], before: list[Object]) -> None:
    now = timestamps.format_time(context.clock.now())
    for one in conditions:
        if not one.get("lastUpdateTime"):
            one["lastUpdateTime"] = now
        if not one.get("lastTransitionTime"):
            same = (old for old in before if (old["type"], old.get("status")) == (one.get("type"), one.get("status")))
            one["lastTransitionTime"] = next((old["lastTransitionTime"] for old in same), now)


def _with_verdicts_of(before: list[Object], conditions: list[Object]) -> list[Object]:
    """Verdicts as they were; where some were added or taken away validation sees it."""
    result = list(conditions)
    for verdict in VERDICTS:
        old = [one for one in before if one.get("type") == verdict]
        places = [at for at, one in enumerate(result) if one.get("type") == verdict]
        if len(old) == len(places):
            for at, one in zip(places, old, strict=True):
                result[at] = one
    return result
