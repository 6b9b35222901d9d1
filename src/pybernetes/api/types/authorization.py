"""authorization.k8s.io/v1: access reviews.

Upstream: k8s.io/api/authorization/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.meta import EMPTY, Object, Struct, always


class NonResourceAttributes(Struct):
    path: str = ""
    verb: str = ""


class SubjectAccessReviewSpec(Struct):
    nonResourceAttributes: NonResourceAttributes | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = EMPTY
    uid: str = ""


class SubjectAccessReviewStatus(Struct):
    allowed: bool = always(False)
    denied: bool = False
    reason: str = ""
    evaluationError: str = ""


class SubjectAccessReview(Object):
    """Asks whether somebody may do something."""

    apiVersion: str = always("authorization.k8s.io/v1")
    kind: str = always("SubjectAccessReview")
    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()
    status: SubjectAccessReviewStatus = SubjectAccessReviewStatus()
