"""Reading and writing what every object carries."""

from __future__ import annotations

import random
import re
from typing import Any

from pybernetes.apimachinery import meta


def test_readers_accept_anything() -> None:
    objects: list[dict[str, Any]] = [{}, {"metadata": None}, {"metadata": {}}]
    for obj in objects:
        assert meta.name(obj) == ""
        assert meta.labels(obj) == {}
        assert meta.owners(obj) == []
        assert meta.controller_of(obj) is None
        assert not meta.is_deleting(obj)


def test_new_object() -> None:
    pod = meta.new_object("v1", "Pod", "p", "n", spec={})
    assert pod == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {}}


def test_uids_are_version_4() -> None:
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", meta.new_uid(random.Random(1))
    )


def test_owners() -> None:
    reference = {"uid": "u", "controller": True}
    pod: dict[str, Any] = {"metadata": {"ownerReferences": [{"uid": "v"}, reference]}}
    assert meta.controller_of(pod) == reference


def test_finalizers() -> None:
    obj: dict[str, Any] = {}
    assert meta.add_finalizer(obj, "a")
    assert not meta.add_finalizer(obj, "a")
    assert meta.has_finalizer(obj, "a")
    assert meta.remove_finalizer(obj, "a")
    assert not meta.remove_finalizer(obj, "a")
    assert obj == {"metadata": {}}


def test_conditions_move_only_with_their_status() -> None:
    entries: list[dict[str, Any]] = []
    assert meta.set_condition(entries, {"type": "Ready", "status": "False", "reason": "A"}, "t1")
    assert meta.set_condition(entries, {"type": "Ready", "status": "False", "reason": "B"}, "t2")
    assert entries == [{"type": "Ready", "status": "False", "reason": "B", "lastTransitionTime": "t1"}]
    assert not meta.set_condition(entries, {"type": "Ready", "status": "False", "reason": "B"}, "t3")
    assert meta.set_condition(entries, {"type": "Ready", "status": "True", "reason": "C"}, "t4")
    assert meta.condition(entries, "Ready") == entries[0]
    assert entries[0]["lastTransitionTime"] == "t4"
    assert meta.condition_is({"status": {"conditions": entries}}, "Ready")
