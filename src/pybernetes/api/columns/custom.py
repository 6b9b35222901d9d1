"""The columns of custom resources: name, and what their definition finds by JSONPath.

Pure.
Upstream: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.api import kinds, schemas
from pybernetes.api.columns import table
from pybernetes.apimachinery import jsonpath, timestamps

AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def columns(version: kinds.CustomVersion) -> tuple[table.Column, ...]:
    """The columns of one version of a custom resource; its age where it names none."""
    facts = schemas.definition(schemas.OBJECT_META)["properties"]
    age = {**AGE, "description": facts["creationTimestamp"]["description"]}
    name = table.Column("Name", table.NAME.cell, format="name", description=facts["name"]["description"])
    return (name, *(_column(one) for one in version.columns or (age,)))


def _column(given: Mapping[str, Any]) -> table.Column:
    path, kind = given["jsonPath"], given["type"]
    text = given.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
    try:
        found = jsonpath.parse_path(path)
    except jsonpath.JSONPathError:
        return table.Column(given["name"], lambda obj: None, kind, description=text)

    def cell(obj: table.Object) -> Any:
        values = found.find(obj)
        return _cell(kind, values[0]) if values else None

    priority = given.get("priority") or 0
    return table.Column(given["name"], cell, kind, given.get("format") or "", priority, text)


def _cell(kind: str, value: Any) -> Any:
    """A value as a cell of that type; what does not fit shows nothing."""
    if kind == "string":
        return jsonpath.to_text(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        return _date(value) if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if kind == "integer" or float(value).is_integer() else value


def _date(value: str) -> Any:
    try:
        return table.since(value)
    except timestamps.TimeError:
        return "<invalid>"
