"""Server-side apply and field tracking: sequences as upstream answers them, and what must always hold."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import errors, gvk
from pybernetes.apimachinery.patch import apply, fieldset, managed_fields, typeschema

RECORDED = pathlib.Path(__file__).parents[1] / "recorded" / "apply.json"
NOW = "2024-01-01T00:00:00Z"
CONFIG = gvk.GroupVersionKind("", "v1", "Thing")
DEFINITION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "uid": {"type": "string"},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                "managedFields": {"type": "array", "items": {"type": "object"}},
            },
        },
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}, "protocol": {"type": "string"}},
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "whole": {"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-map-type": "atomic"},
    },
}
TYPE = typeschema.Types(lambda name: {}).of(DEFINITION)
WORDS = st.sampled_from("abc")


def name_of(part: Any) -> Any:
    return part["name"]


BODIES = st.fixed_dictionaries(
    {},
    optional={
        "data": st.dictionaries(WORDS, WORDS),
        "tags": st.lists(WORDS, unique=True),
        "parts": st.lists(st.fixed_dictionaries({"name": WORDS}, optional={"value": WORDS}), unique_by=name_of),
        "whole": st.dictionaries(WORDS, WORDS),
    },
)


def thing(**members: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "t"}, **members}


def manager() -> apply.FieldManager:
    return apply.FieldManager(TYPE, CONFIG)


EMPTY = {"apiVersion": "v1", "kind": "Thing"}


def fields_of(obj: dict[str, Any], name: str) -> Any:
    found = [entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", []) if entry["manager"] == name]
    return found[0] if found else None


def plain(obj: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata"}}


def _normal(obj: Any) -> Any:
    """Without times and nulls; entries of managedFields in any order."""
    if isinstance(obj, dict):
        clean = {key: _normal(value) for key, value in obj.items() if value is not None and key != "time"}
        if "managedFields" in clean:
            clean["managedFields"].sort(key=lambda entry: json.dumps(entry, sort_keys=True))
        return clean
    return [_normal(item) for item in obj] if isinstance(obj, list) else obj


def _normal_error(error: Any) -> Any:
    """Conflicts of several managers come in any order."""
    if not isinstance(error, dict):
        return error
    causes = error.get("details", {}).get("causes", [])
    message = sorted(error["message"].replace(": conflicts", ":\nconflicts").split("\n"))
    return [error["code"], error["reason"], message, sorted(causes, key=json.dumps)]


@pytest.mark.parametrize("case", json.loads(RECORDED.read_text()), ids=lambda case: case["input"][0])
def test_sequences_as_upstream(
    case: dict[str, Any], apply_types: dict[str, typeschema.Type], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Upstream's zero object was an empty one here, not a Go struct.
    monkeypatch.setattr(typeschema, "skeleton", lambda kind: {})
    kind, live, steps = case["input"]
    group = "apps" if kind == "Deployment" else ""
    field_manager = apply.FieldManager(apply_types[kind], gvk.GroupVersionKind(group, "v1", kind))
    for (operation, name, force, obj), answer in zip(steps, case["answer"], strict=True):
        try:
            if operation == "apply":
                live = field_manager.apply(live, obj, name, force=force, now=NOW)
            else:
                live = field_manager.update(live, obj, name, now=NOW)
        except errors.StatusError as error:
            assert "error" in answer
            ours = error.status() if error.reason else str(error)
            assert _normal_error(ours) == _normal_error(answer["error"])
            continue
        assert _normal(live) == _normal(answer)


def test_create_apply_conflict_force() -> None:
    live = manager().update(EMPTY, thing(data={"a": "1", "b": "1"}), "one", now=NOW)
    assert fields_of(live, "one") == {"f:data": {".": {}, "f:a": {}, "f:b": {}}}
    with pytest.raises(errors.ApplyConflict) as caught:
        manager().apply(live, thing(data={"a": "2"}), "two", force=False, now=NOW)
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "one" using v1: .data.a'
    assert caught.value.causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one" using v1', "field": ".data.a"}
    ]
    forced = manager().apply(live, thing(data={"a": "2"}), "two", force=True, now=NOW)
    assert plain(forced) == {"data": {"a": "2", "b": "1"}}
    assert fields_of(forced, "one") == {"f:data": {".": {}, "f:b": {}}}
    assert fields_of(forced, "two") == {"f:data": {"f:a": {}}}


def test_fields_no_longer_applied_go_unless_others_own_them() -> None:
    first = manager().apply(EMPTY, thing(data={"a": "1", "b": "1"}, tags=["x", "y"]), "one", force=False, now=NOW)
    shared = manager().apply(first, thing(data={"b": "1"}), "two", force=False, now=NOW)
    second = manager().apply(shared, thing(data={"c": "1"}, tags=["y"]), "one", force=False, now=NOW)
    assert plain(second) == {"data": {"b": "1", "c": "1"}, "tags": ["y"]}


def test_an_atomic_map_is_owned_as_a_whole() -> None:
    live = manager().apply(EMPTY, thing(whole={"a": "1"}), "one", force=False, now=NOW)
    assert fields_of(live, "one") == {"f:whole": {}}
    with pytest.raises(errors.ApplyConflict):
        manager().apply(live, thing(whole={"b": "1"}), "two", force=False, now=NOW)


def test_nothing_changed_keeps_the_time() -> None:
    live = manager().apply(EMPTY, thing(data={"a": "1"}), "one", force=False, now=NOW)
    again = manager().apply(live, thing(data={"a": "1"}), "one", force=False, now="2025-01-01T00:00:00Z")
    assert again == live


def test_managed_fields_can_be_forgotten() -> None:
    live = manager().update(EMPTY, thing(data={"a": "1"}), "one", now=NOW)
    live["metadata"]["uid"] = "u"
    resets: list[list[Any]] = [[], [{}]]
    for reset in resets:
        new = copy.deepcopy(live)
        new["metadata"]["managedFields"] = reset
        assert "managedFields" not in manager().update(live, new, "two", now=NOW)["metadata"]


def test_an_untracked_object_counts_as_someones() -> None:
    live = thing(data={"a": "1"})
    live["metadata"]["uid"] = "u"
    assert "managedFields" not in manager().update(live, thing(data={"a": "2"}), "one", now=NOW)["metadata"]
    with pytest.raises(errors.ApplyConflict, match='"before-first-apply" using v1'):
        manager().apply(live, thing(data={"a": "2"}), "one", force=False, now=NOW)


def test_kubectl_may_take_what_it_applied_on_the_client() -> None:
    last = json.dumps(thing(data={"a": "1"}))
    live = manager().update(EMPTY, thing(data={"a": "1"}), "kubectl-client-side-apply", now=NOW)
    live["metadata"]["annotations"] = {apply.LAST_APPLIED: last}
    config = thing(data={"a": "2"})
    applied = manager().apply(live, config, "kubectl", force=False, now=NOW)
    assert plain(applied) == {"data": {"a": "2"}}
    assert json.loads(applied["metadata"]["annotations"][apply.LAST_APPLIED]) == config
    with pytest.raises(errors.ApplyConflict):
        manager().apply(live, config, "other", force=False, now=NOW)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"apiVersion": "v2", "kind": "Thing"}, "invalid object type: /v2, Kind=Thing"),
        (
            {**thing(), "metadata": {"name": "t", "managedFields": []}},
            "metadata.managedFields must be nil",
        ),
        (
            thing(odd=1),
            "failed to create typed patch object (/t; /v1, Kind=Thing): .odd: field not declared in schema",
        ),
        (
            thing(data={"a": 1}),
            "failed to create typed patch object (/t; /v1, Kind=Thing): "
            ".data.a: expected string, got &value.valueUnstructured{Value:1}",
        ),
        (
            thing(parts=[{"name": "a"}, {"name": "a"}]),
            'failed to create typed patch object (/t; /v1, Kind=Thing): .parts: duplicate entries for key [name="a"]',
        ),
    ],
)
def test_wrong_configurations(config: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.StatusError) as caught:
        manager().apply(EMPTY, config, "one", force=False, now=NOW)
    assert str(caught.value) == message


def test_old_updaters_are_put_together() -> None:
    live = EMPTY
    for number in range(12):
        new = {**live, "metadata": {**live.get("metadata", {"name": "t"})}}  # type: ignore[dict-item]
        new["data"] = {**live.get("data", {}), str(number): "x"}  # type: ignore[dict-item]
        live = manager().update(live, new, f"m{number:02}", now=f"2024-01-01T00:00:{number:02}Z")
    names = [entry["manager"] for entry in live["metadata"]["managedFields"]]  # type: ignore[index]
    assert len(names) == 10
    assert managed_fields.OLD_UPDATES_MANAGER in names


def test_another_version_is_compared_in_its_own_terms() -> None:
    def convert(obj: dict[str, Any], api_version: str) -> tuple[typeschema.Type, dict[str, Any]] | None:
        if api_version not in {"v1", "v2"}:
            return None
        source, target = ("tags", "data") if api_version == "v1" else ("data", "tags")
        converted = {key: value for key, value in obj.items() if key != source}
        if source in obj and obj["apiVersion"] != api_version:
            converted[target] = dict.fromkeys(obj[source], "1") if target == "data" else sorted(obj[source])
        return TYPE, {**converted, "apiVersion": api_version}

    old = apply.FieldManager(TYPE, CONFIG, convert=convert)
    new = apply.FieldManager(TYPE, CONFIG._replace(version="v2"), convert=convert)
    live = old.apply(EMPTY, thing(data={"a": "1", "b": "1"}), "one", force=False, now=NOW)
    as_new = convert(live, "v2")
    assert as_new is not None
    applied = new.apply(as_new[1], {**thing(tags=["b"]), "apiVersion": "v2"}, "one", force=False, now=NOW)
    assert plain(applied) == {"tags": ["b"]}


@given(BODIES)
def test_applying_gives_what_is_applied(body: dict[str, Any]) -> None:
    live = manager().apply(EMPTY, thing(**body), "one", force=False, now=NOW)
    assert plain(live) == body
    # Who owns nothing is not there, and the next apply finds an object that nobody owns.
    if not _without_empty(body):
        return
    assert manager().apply(live, thing(**body), "one", force=False, now="later") == live


@given(BODIES, BODIES)
def test_a_single_applier_decides(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = manager().apply(EMPTY, thing(**first), "one", force=False, now=NOW)
    after = plain(manager().apply(live, thing(**second), "one", force=False, now=NOW))
    assert _without_empty(after) == _without_empty(second)


def _without_empty(body: dict[str, Any]) -> dict[str, Any]:
    """Empty sets, lists and maps own nothing, so they may stay behind or go."""
    return {key: value for key, value in body.items() if value}


@given(BODIES, BODIES)
def test_forced_fields_have_one_owner_of_each_value(first: dict[str, Any], second: dict[str, Any]) -> None:
    before = copy.deepcopy((first, second))
    live = manager().update(EMPTY, thing(**first), "one", now=NOW)
    after = manager().apply(live, thing(**second), "two", force=True, now=NOW)
    managed = managed_fields.decode(after["metadata"].get("managedFields"))
    assert managed_fields.encode(managed) == after["metadata"].get("managedFields", [])
    assert (first, second) == before


def test_field_sets_read_back() -> None:
    fields: dict[str, Any] = {
        "f:a": {".": {}, "f:b": {}, 'k:{"name":"x","port":1}': {".": {}, "f:name": {}}, 'v:"s"': {}, "i:0": {}},
        "f:z": {},
    }
    found = fieldset.from_fields(fields)
    assert found.to_fields() == fields
    assert json.dumps(found.to_fields()) == json.dumps(fields)
    assert [fieldset.path_text(path) for path in found.paths()] == [
        ".a",
        ".z",
        ".a.b",
        '.a[name="x",port=1]',
        '.a[="s"]',
        ".a[0]",
        '.a[name="x",port=1].name',
    ]


PATHS = st.sets(st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":1}']), min_size=1, max_size=3).map(tuple))


@given(PATHS, PATHS)
def test_field_sets_are_sets(first: set[fieldset.Path], second: set[fieldset.Path]) -> None:
    ours, theirs = fieldset.of(first), fieldset.of(second)
    assert set(ours.union(theirs).paths()) == first | second
    assert set(ours.intersection(theirs).paths()) == first & second
    assert set(ours.difference(theirs).paths()) == first - second
    assert fieldset.from_fields(ours.to_fields()) == ours
    below = {path for path in first if not any(path[: len(other)] == other for other in second)}
    assert set(ours.recursive_difference(theirs).paths()) == below
