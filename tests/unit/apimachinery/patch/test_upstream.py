"""Patches and field ownership as a real API server of upstream's answers them.

A server of a few lines stands in for ours: defaults, patches, managedFields, no admission, no validation.
"""

from __future__ import annotations

import functools
import pathlib
from typing import Any
from urllib import parse

import pytest
import yaml

from pybernetes.api import defaults, kinds, schemas
from pybernetes.apimachinery import errors, gvk
from pybernetes.apimachinery.patch import (
    apply,
    fieldset,
    json_patch,
    merge,
    strategic,
    typeschema,
    values,
)

GOLDEN = pathlib.Path(__file__).parents[3] / "golden" / "upstream"
NOW = "2024-01-01T00:00:00Z"
#: What a status writer may not touch, and what a writer of the object may not.
IGNORED = {"status": fieldset.of([("f:spec",), ("f:metadata",)]), "": fieldset.of([("f:status",)])}
#: Refused by validation or decoding, which have no part here.
VALIDATED = {
    "wrong-type-value",
    "replace-root",
    "null-in-list-kept",
    "type-change",
    "string-for-int",
    "malformed",
    "deletion-timestamp",
    "probe-second-handler",
    "volume-second-source",
    "strategy-without-retain-keys",
    "list-given-map",
    "map-given-list",
    "service-ports-same-number",
    "pod-resize",
    "uid-wrong",
    "missing-key",
    "resource-version-wrong",
    "unknown-field",
    "unknown-field-dropped",
    "duplicate-key",
}
#: The recording has no real uid where the patch names one.
ANONYMOUS = {"owners-merged-by-uid", "owners-deleted"}
#: Answered by another kind, or with only a part of the object written.
SERVED = {"status-ignored", "status-subresource", "scale", "pod-status-ignores-spec", "deployment-scale"}
UNSEEN = ANONYMOUS | SERVED
#: Times that nobody set are null in Go, and null is a value that can be owned.
ZERO_TIMES = {"deployment-status", "pod-status"}


@functools.cache
def definitions() -> schemas.Definitions:
    return schemas.Definitions()


@functools.cache
def types() -> typeschema.Types:
    return typeschema.Types(definitions().definition)


def cases(part: str, name: str, without: set[str]) -> list[Any]:
    return [
        pytest.param(case, id=f"{name}-{case['name']}")
        for case in yaml.safe_load((GOLDEN / part / f"{name}.yaml").read_text())
        if case["name"] not in without
    ]


def definition_name(obj: dict[str, Any]) -> str:
    name = definitions().name_of(*gvk.of(obj))
    assert name is not None
    return name


def patched(kind: str, obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    if kind == "json":
        result: dict[str, Any] = json_patch.apply(obj, patch)
        return result
    if kind == "merge":
        merged: dict[str, Any] = merge.apply(obj, patch)
        return merged
    name = definition_name(obj)
    schema = strategic.OpenAPISchema(name, definitions().definition(name), definitions().definition)
    return strategic.apply(obj, patch, schema)


def missing(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where the answer does not hold what we have; it may hold more, defaults above all."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            found
            for key, value in ours.items()
            # Decoding leaves out what is empty, and directives that were not for it.
            if value is not None and (key in theirs or (value not in ({}, []) and key != "$patch"))
            for found in (missing(value, theirs[key], f"{path}.{key}") if key in theirs else [f"{path}.{key}"])
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [found for position, pair in pairs for found in missing(*pair, f"{path}[{position}]")]
    same = ours == theirs or str(ours) == str(theirs) or theirs in ("<uid>", "<time>") or ours in ({}, [])
    return [] if same else [f"{path}: {ours!r} is {theirs!r}"]


@pytest.mark.parametrize(
    "case",
    [
        case
        for kind in ("json", "merge", "strategic")
        for case in cases("patches", kind, VALIDATED | ANONYMOUS | SERVED)
    ],
)
def test_patches(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if expected["code"] == 200:
        ours = patched(case["type"], case["stored"], case["patch"])
        for stamp in ("resourceVersion", "uid", "generation"):
            ours["metadata"].pop(stamp, None)
        assert missing(ours, expected["object"]) == []
        return
    with pytest.raises(values.PatchError) as caught:
        patched(case["type"], case["stored"], case["patch"])
    assert caught.value.code == expected["code"]
    if expected["code"] == 500:
        assert str(caught.value) == expected["status"]["message"]


class Server:
    """One object and its history."""

    def __init__(self) -> None:
        self.live: dict[str, Any] | None = None

    def manager(self, obj: dict[str, Any], subresource: str) -> apply.FieldManager:
        kind = types().named(definition_name(obj))
        ignored = IGNORED["status" if subresource == "status" else ""]
        return apply.FieldManager(kind, gvk.of(obj), subresource=subresource, ignored=ignored)

    def do(self, step: dict[str, Any]) -> dict[str, Any]:
        query = dict(parse.parse_qsl(step.get("query") or ""))
        name = query.get("fieldManager") or (step.get("userAgent") or "unknown").split("/")[0]
        body, subresource = values.copy(step["body"]), step.get("subresource") or ""
        if subresource == "scale":
            return self.scale(body, name)
        if subresource == "binding":
            assert self.live is not None
            return self.live
        live = self.live or {"apiVersion": body["apiVersion"], "kind": body["kind"]}
        manager = self.manager(live, subresource)
        if step["type"] == "apply":
            new = manager.apply(live, body, name, force=query.get("force") == "true", now=NOW)
            return self.store(default(new))
        new = body if step["type"] in {"create", "update"} else patched(step["type"], live, body)
        return self.store(manager.update(live, default(new), name, now=NOW))

    def store(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.live = {**obj, "metadata": {**obj["metadata"], "uid": "u"}}
        return self.live

    def scale(self, body: dict[str, Any], name: str) -> dict[str, Any]:
        assert self.live is not None
        scaled = merge.apply({"spec": {"replicas": self.live["spec"]["replicas"]}}, body)
        new = {**self.live, "spec": {**self.live["spec"], "replicas": scaled["spec"]["replicas"]}}
        return self.store(self.manager(self.live, "scale").update(self.live, new, name, now=NOW))


def default(obj: dict[str, Any]) -> dict[str, Any]:
    kind = kinds.TABLE.by_gvk(*gvk.of(obj))
    assert kind is not None
    obj = values.copy(obj)
    defaults.apply(kind, obj)
    return obj


def comparable(entries: list[dict[str, Any]] | None) -> list[Any]:
    found = []
    for entry in entries or []:
        text = repr(entry["fieldsV1"]).replace("11111111-2222-3333-4444-555555555555", "<uid>")
        rest = {key: value for key, value in entry.items() if key not in {"time", "fieldsV1"}}
        found.append((sorted(rest.items()), sorted(text)))
    return sorted(found)


@pytest.mark.parametrize("case", cases("managed", "sequences", ZERO_TIMES))
def test_sequences(case: dict[str, Any]) -> None:
    server = Server()
    for step in case["steps"]:
        expected = step["result"]
        if expected["code"] >= 400:
            with pytest.raises(errors.StatusError) as caught:
                server.do(step)
            assert caught.value.status() == expected["status"]
            continue
        server.do(step)
        assert server.live is not None
        ours = server.live["metadata"].get("managedFields")
        if comparable(ours) != comparable(expected["managedFields"]):
            assert ours == expected["managedFields"]


@pytest.mark.parametrize("case", cases("patches", "apply", VALIDATED - {"duplicate-key", "unknown-field"}))
def test_apply(case: dict[str, Any]) -> None:
    server = Server()
    server.do({"type": "create", "body": case["original"]})
    step = {key: case[key] for key in ("type", "query", "subresource") if key in case} | {"body": case["patch"]}
    expected = case["expect"]
    if expected["code"] == 200:
        ours = values.copy(server.do(step))
        for stamp in ("managedFields", "uid"):
            ours["metadata"].pop(stamp, None)
        assert missing(ours, expected["object"]) == []
        return
    with pytest.raises(errors.StatusError) as caught:
        server.do(step)
    status = caught.value.status()
    assert (status["code"], status["message"]) == (expected["code"], expected["status"]["message"])
