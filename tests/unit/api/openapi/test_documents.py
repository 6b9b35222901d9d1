"""The published documents against those that upstream publishes."""

import gzip
import json
import pathlib
from typing import Any

import pytest

from pybernetes.api import kinds
from pybernetes.api.openapi import documents

UPSTREAM = pathlib.Path(__file__).parents[3] / "golden" / "upstream"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


@pytest.fixture(scope="module")
def published() -> documents.Publisher:
    return documents.Publisher(kinds.KindTable())


def load(publisher: documents.Publisher, path: str) -> dict[str, Any]:
    document = publisher.document(path)
    assert document is not None
    found: dict[str, Any] = json.loads(document.data)
    return found


def recorded() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(gzip.decompress((UPSTREAM / "openapi_paths.json.gz").read_bytes()))
    return found


def outline(item: dict[str, Any]) -> dict[str, Any]:
    """An item of `paths` in the form of the recording."""
    written: dict[str, Any] = {}
    if item.get("parameters"):
        written["parameters"] = [parameter["name"] for parameter in item["parameters"]]
    for method in METHODS:
        if method in item:
            operation = item[method]
            short = {
                "id": operation["operationId"],
                "action": operation.get("x-kubernetes-action"),
                "kind": operation.get("x-kubernetes-group-version-kind"),
                "parameters": [parameter["name"] for parameter in operation.get("parameters", ())],
                "body": sorted(operation.get("requestBody", {}).get("content", ())),
            }
            written[method] = {key: value for key, value in short.items() if value}
            answers = operation["responses"].items()
            written[method]["responses"] = {code: sorted(answer.get("content", ())) for code, answer in answers}
    return written


@pytest.mark.parametrize("path", ["api/v1", "apis/apps/v1", "apis/batch/v1", "apis/policy/v1", "apis", "version"])
def test_paths_are_upstream_s(published: documents.Publisher, path: str) -> None:
    ours = {where: outline(item) for where, item in load(published, path)["paths"].items()}
    prefix = f"/{path}/"
    theirs = {
        where: item
        for where, item in recorded().items()
        if where.startswith(prefix) and (path != "apis" or where == prefix)
    }
    assert sorted(ours) == sorted(theirs)
    for where, item in theirs.items():
        assert ours[where] == item, where


@pytest.mark.parametrize("path", ["apis/coordination.k8s.io/v1", "apis/scheduling.k8s.io/v1"])
def test_schemas_are_upstream_s(published: documents.Publisher, path: str) -> None:
    ours = load(published, path)["components"]["schemas"]
    name = f"openapi_{path.replace('/', '_')}.json.gz"
    theirs = json.loads(gzip.decompress((UPSTREAM / "samples" / name).read_bytes()))["components"]["schemas"]
    assert sorted(ours) == sorted(theirs)
    for schema in (*ours.values(), *theirs.values()):
        schema.get("x-kubernetes-group-version-kind", []).sort(key=lambda kind: sorted(kind.items()))
        for field in schema.get("properties", {}).values():
            # The text of an enumeration's values is not ours to publish.
            field.pop("description", None)
    assert ours == theirs


def test_index_is_upstream_s(published: documents.Publisher) -> None:
    ours = json.loads(published.index().data)["paths"]
    theirs = json.loads((UPSTREAM / "samples" / "openapi_v3.json").read_text())["paths"]
    assert sorted(ours) == sorted(theirs)
    for path, entry in ours.items():
        document = published.document(path)
        assert document is not None
        assert entry == {"serverRelativeURL": f"/openapi/v3/{path}?hash={document.hash}"}


def test_references_lead_somewhere(published: documents.Publisher) -> None:
    for path in published.paths():
        document = published.document(path)
        assert document is not None
        loaded = json.loads(document.data)
        known = {f"#/components/schemas/{name}" for name in loaded["components"].get("schemas", ())}
        wanted = references(loaded)
        assert wanted <= known, path
    whole = json.loads(published.v2().data)
    assert references(whole) <= {f"#/definitions/{name}" for name in whole["definitions"]}
    assert whole["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"]["parameters"][-1]["in"] == "body"


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(child) for child in node.values()))
    return set().union(*(references(child) for child in node)) if isinstance(node, list) else set()


def test_every_kind_can_be_explained(published: documents.Publisher) -> None:
    table = kinds.KindTable()
    for group, versions in table.groups().items():
        for version in versions:
            schemas = load(published, f"apis/{group}/{version}" if group else f"api/{version}")["components"]["schemas"]
            described = {
                (kind["group"], kind["version"], kind["kind"])
                for schema in schemas.values()
                for kind in schema.get("x-kubernetes-group-version-kind", ())
            }
            for row in table.resources(group, version):
                assert row.gvk in described


WIDGET = kinds.Kind(
    group="example.com",
    version="v1",
    kind="Widget",
    plural="widgets",
    singular="widget",
    namespaced=True,
    subresources=(kinds.Subresource("status", ("get", "patch", "update"), "example.com", "v1", "Widget"),),
    storage_group="example.com",
    storage_version="v1",
    storage_key="example.com/widgets",
    list_kind="WidgetList",
)


def test_custom_resources_come_and_go() -> None:
    table = kinds.KindTable()
    schema: dict[str, Any] = {"type": "object", "properties": {"spec": {"type": "object", "description": "what"}}}
    publisher = documents.Publisher(table, lambda row: schema if row.group == "example.com" else None)
    before = publisher.index()
    assert publisher.document("apis/example.com/v1") is None
    table.add(WIDGET)
    assert publisher.index().hash != before.hash
    loaded = load(publisher, "apis/example.com/v1")
    widget = loaded["components"]["schemas"]["com.example.v1.Widget"]
    assert widget["properties"]["spec"]["description"] == "what"
    assert widget["x-kubernetes-group-version-kind"] == [{"group": "example.com", "kind": "Widget", "version": "v1"}]
    patch = loaded["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert sorted(patch["requestBody"]["content"]) == [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ]
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    assert "com.example.v1.WidgetList" in json.loads(publisher.v2().data)["definitions"]
    first = publisher.document("apis/example.com/v1")
    schema["properties"]["spec"]["description"] = "more"
    publisher.forget()
    second = publisher.document("apis/example.com/v1")
    assert first is not None
    assert second is not None
    assert first.hash != second.hash
    table.remove(WIDGET)
    assert publisher.index().hash == before.hash


def test_swagger_says_only_what_it_can() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["a", "b"],
                "properties": {
                    "a": {"type": "string", "nullable": True, "pattern": "x", "default": "x"},
                    "b": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "c": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"d": {}}},
                    "e": {"type": "array", "nullable": True, "items": {"type": "string"}},
                    "f": {"type": "object", "x-kubernetes-embedded-resource": True},
                },
                "oneOf": [{"required": ["a"]}],
            }
        },
    }
    table = kinds.KindTable()
    table.add(WIDGET)
    publisher = documents.Publisher(table, lambda row: schema if row.group == "example.com" else None)
    spec = json.loads(publisher.v2().data)["definitions"]["com.example.v1.Widget"]["properties"]["spec"]
    embedded = spec["properties"].pop("f")
    assert spec == {
        "type": "object",
        "required": ["b"],
        "properties": {
            "a": {"pattern": "x", "default": "x"},
            "b": {"x-kubernetes-int-or-string": True},
            "c": {"x-kubernetes-preserve-unknown-fields": True},
            "e": {},
        },
    }
    assert embedded["required"] == ["kind", "apiVersion"]
    assert embedded["properties"]["metadata"]["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    shown = load(publisher, "apis/example.com/v1")["components"]["schemas"]["com.example.v1.Widget"]
    assert shown["properties"]["spec"]["oneOf"] == [{"required": ["a"]}]


@pytest.mark.parametrize("schema", [{}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}])
def test_free_form_resources(schema: dict[str, Any]) -> None:
    table = kinds.KindTable()
    table.add(WIDGET)
    publisher = documents.Publisher(table, lambda row: schema if row.group == "example.com" else None)
    widget = json.loads(publisher.v2().data)["definitions"]["com.example.v1.Widget"]
    assert "properties" not in widget
    assert widget["type"] == "object"
