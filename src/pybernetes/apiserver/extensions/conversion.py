"""A custom resource in another of its versions: the same fields, or what the definition's webhook makes of them.

Upstream: apiextensions-apiserver pkg/apiserver/conversion.
"""

import random
from collections.abc import Sequence
from typing import Any

from pybernetes.apimachinery import errors, fieldpath, gvk, meta
from pybernetes.apiserver import webhooks
from pybernetes.apiserver.registry import metadata

Object = dict[str, Any]

REVIEW_VERSIONS = ("v1", "v1beta1")
_SAME = ("name", "namespace", "UID")


class Webhook:
    """The webhook of one definition."""

    def __init__(self, hooks: webhooks.Webhooks, spec: Object, rand: random.Random) -> None:
        self._hooks = hooks
        self._config = spec["clientConfig"]
        versions = spec["conversionReviewVersions"]
        self._version = next((version for version in versions if version in REVIEW_VERSIONS), "")
        self._random = rand

    async def convert(self, objects: Sequence[Object], api_version: str) -> list[Object]:
        """Those objects in that version; metadata but labels and annotations stay as they were. Raises StatusError."""
        about = f"conversion webhook for {gvk.of(objects[0])}"
        uid = meta.new_uid(self._random)
        asked = {"uid": uid, "desiredAPIVersion": api_version, "objects": objects}
        head = {"apiVersion": f"apiextensions.k8s.io/{self._version}", "kind": "ConversionReview"}
        try:
            answer = await self._hooks.call(self._config, {**head, "request": asked})
            made = self._converted(answer, head, uid)
        except (webhooks.CallFailed, ValueError) as failure:
            raise errors.StatusError(f"{about} failed: {failure}", reason="") from failure
        if len(made) != len(objects):
            text = f"{about} returned {len(made)} objects, expected {len(objects)}"
            raise errors.StatusError(text, reason="")
        for index, (before, after) in enumerate(zip(objects, made, strict=True)):
            try:
                _check(before, after, api_version)
            except ValueError as failure:
                text = f"{about} returned invalid converted object at index {index}: {failure}"
                raise errors.StatusError(text, reason="") from failure
        return made

    def _converted(self, answer: Object, head: Object, uid: str) -> list[Object]:
        given = (answer.get("apiVersion"), answer.get("kind"))
        if self._version == "v1" and given != (head["apiVersion"], head["kind"]):
            wanted = "apiextensions.k8s.io/v1, Kind=ConversionReview"
            raise ValueError(f"expected webhook response of {wanted}, got {gvk.of(answer)}")
        response = answer.get("response")
        if not response:
            raise ValueError("no response provided")
        if self._version == "v1" and response.get("uid") != uid:
            raise ValueError(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
        result = response.get("result") or {}
        if result.get("status") != "Success":
            said = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
            raise ValueError(result.get("message") or said)
        found: list[Object] = response.get("convertedObjects") or []
        return found


def _check(before: Object, after: Object, api_version: str) -> None:
    """Hold a converted object to what it was, and give it back its metadata. Raises ValueError."""
    if after.get("apiVersion") != api_version:
        received = after.get("apiVersion") or ""
        raise ValueError(f"invalid groupVersion (expected {api_version}, received {received})")
    if after.get("kind") != before["kind"]:
        raise ValueError(f"invalid kind (expected {before['kind']}, received {after.get('kind') or ''})")
    facts, kept = after.get("metadata"), before["metadata"]
    if facts is None:
        raise ValueError("missing metadata in converted object")
    if not isinstance(facts, dict):
        raise ValueError("invalid metadata in converted object")
    for name in _SAME:
        was, now = kept.get(name.lower()) or "", facts.get(name.lower()) or ""
        if was != now:
            raise ValueError(f"must have the same {name}: {was} != {now}")
    restored = {name: item for name, item in kept.items() if name not in ("labels", "annotations")}
    for name, check in (("labels", metadata.validate_labels), ("annotations", metadata.validate_annotations)):
        given = facts.get(name)
        if given is None:
            continue
        if not isinstance(given, dict) or not all(isinstance(item, str) for item in given.values()):
            raise ValueError(f"invalid metadata.{name} in converted object")
        wrong = check(given, metadata.ROOT.child(name)) if given != kept.get(name) else []
        if wrong:
            raise ValueError(fieldpath.aggregate(wrong))
        restored[name] = given
    after["metadata"] = restored
