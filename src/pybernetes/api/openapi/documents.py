"""The published documents, made when asked for and kept until the table of kinds changes.

    published = documents.Publisher(table, lambda kind: schema of a custom resource, or None)
    published.index()                      /openapi/v3
    published.document("apis/apps/v1")     /openapi/v3/apis/apps/v1
    published.v2()                         /openapi/v2
    published.v2_protobuf()                the same, as Go clients ask for it

Upstream: kube-openapi pkg/handler3, apiextensions-apiserver pkg/controller/openapi. Pure.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from pybernetes.api import kinds, schemas
from pybernetes.api.openapi import components, custom, paths, protobuf

INFO = {"title": "Kubernetes", "version": "1.37"}
SECURITY = {
    "BearerToken": {
        "type": "apiKey",
        "description": "Bearer Token authentication",
        "name": "authorization",
        "in": "header",
    }
}
# Paths outside the API, each with what answers it.
_PLAIN = {
    ".well-known/openid-configuration": ("WellKnown", "getServiceAccountIssuerOpenIDConfiguration"),
    "openid/v1/jwks": ("openid", "getServiceAccountIssuerOpenIDKeyset"),
    "version": ("version", "getCodeVersion"),
}

CustomSchema = Callable[[kinds.Kind], Mapping[str, Any] | None]


class Document(NamedTuple):
    """A document as served: its bytes, and a hash that changes when they do (ETag, and `hash` in its URL)."""

    data: bytes
    hash: str


def _nothing_custom(kind: kinds.Kind) -> Mapping[str, Any] | None:
    return None


class Publisher:
    """The documents of one table of kinds.

    `schema_of` gives the schema of a kind that is not built in: empty if it has none, None for a built-in kind.
    """

    def __init__(self, table: kinds.KindTable, schema_of: CustomSchema = _nothing_custom) -> None:
        self._table = table
        self._custom = schema_of
        self._generation = -1
        self._documents: dict[str, Document] = {}
        self._hashes: dict[str, str] = {}

    def index(self) -> Document:
        """Every document with its URL; the hash in it lets clients keep a document until it changes."""
        self._refresh()
        kept = self._documents.get("")
        if kept is None:
            listed = {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self._hash(path)}"} for path in self.paths()
            }
            kept = self._documents[""] = _document(msgspec.json.encode({"paths": listed}))
        return kept

    def document(self, path: str) -> Document | None:
        """One document by its path below /openapi/v3; None if there is no such."""
        self._refresh()
        kept = self._documents.get(path)
        if kept is None:
            if path not in self.paths():
                return None
            kept = Document(msgspec.json.encode(self._build(path)), self._hash(path))
            self._documents[path] = kept
        return kept

    def v2(self) -> Document:
        """Everything in one Swagger 2.0 document."""
        self._refresh()
        kept = self._documents.get("v2")
        if kept is None:
            kept = self._documents["v2"] = _document(msgspec.json.encode(self._build_v2()))
        return kept

    def v2_protobuf(self) -> Document:
        """The Swagger 2.0 document in protobuf."""
        self._refresh()
        kept = self._documents.get("v2.pb")
        if kept is None:
            kept = self._documents["v2.pb"] = _document(protobuf.encode(self._build_v2()))
        return kept

    def paths(self) -> list[str]:
        """The paths of all documents, in order."""
        self._refresh()
        return list(self._hashes)

    def _refresh(self) -> None:
        if self._generation == self._table.generation:
            return
        self._generation = self._table.generation
        self._documents.clear()
        found = {*_PLAIN, "api", "apis"}
        for group, versions in self._table.groups().items():
            for version in versions:
                found.add(f"apis/{group}/{version}" if group else f"api/{version}")
            if group:
                found.add(f"apis/{group}")
        self._hashes = dict.fromkeys(sorted(found), "")

    def forget(self) -> None:
        """Make everything anew: a schema has changed although the table has not."""
        self._generation = -1

    def _hash(self, path: str) -> str:
        """From what a document is made of, not from its bytes: the index must not cost making them all."""
        kept = self._hashes[path]
        if not kept:
            rows = [(row, self._custom(row)) for row in self._rows(path)]
            text = repr((schemas.VERSION, path, rows))
            kept = self._hashes[path] = hashlib.sha512(text.encode()).hexdigest().upper()
        return kept

    def _rows(self, path: str) -> list[kinds.Kind]:
        parts = path.split("/")
        if len(parts) == 2 and parts[0] == "api":
            return self._table.resources("", parts[1])
        return self._table.resources(parts[1], parts[2]) if len(parts) == 3 and parts[0] == "apis" else []

    def _build(self, path: str) -> dict[str, Any]:
        rows = self._rows(path)
        if not rows:
            return _wrap(*_plain(path))
        found = _definitions(rows, self._custom)
        group, version = rows[0].group, rows[0].version
        writer = paths.Writer(group, version, found.names, bool(found.v3))
        written = writer.write(rows)
        used = components.reachable(writer.used, found.v3)
        return _wrap(written, {name: components.component(name, found.v3, (group, version)) for name in used})

    def _build_v2(self) -> dict[str, Any]:
        written: dict[str, Any] = {}
        used: set[str] = set()
        every: dict[str, dict[str, Any]] = {}
        for path in self.paths():
            rows = self._rows(path)
            if not rows:
                plain, shown = _plain(path)
                written |= {where: _path_v2(item) for where, item in plain.items()}
                used |= shown.keys()
                continue
            found = _definitions(rows, self._custom)
            every |= found.v2
            writer = paths.Writer(rows[0].group, rows[0].version, found.names, bool(found.v3))
            written |= {where: _path_v2(item) for where, item in writer.write(rows).items()}
            used |= writer.used
        definitions = {name: components.definition_v2(name, every) for name in components.reachable(used, every)}
        return {
            "swagger": "2.0",
            "info": INFO,
            "paths": written,
            "definitions": definitions,
            "securityDefinitions": SECURITY,
            "security": [{"BearerToken": []}],
        }


def _document(data: bytes) -> Document:
    return Document(data, hashlib.sha512(data).hexdigest().upper())


def _wrap(written: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"securitySchemes": SECURITY}
    if definitions:
        shown = {"schemas": definitions, **shown}
    return {"openapi": "3.0.0", "info": INFO, "paths": written, "components": shown}


def _plain(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Documents of discovery and of paths outside the API."""
    if path in _PLAIN:
        tag, identifier = _PLAIN[path]
        answers: dict[str, Any] = {
            "200": {"description": "OK", "content": {paths.JSON: {"schema": {"type": "string"}}}},
            "401": {"description": "Unauthorized"},
        }
        return {f"/{path}/": {"get": {"tags": [tag], "operationId": identifier, "responses": answers}}}, {}
    group = path.removeprefix("apis").removeprefix("api").strip("/")
    kind = "APIGroup" if group else "APIVersions" if path == "api" else "APIGroupList"
    writer = paths.Writer(group, "", {}, False)
    operation: dict[str, Any] = {
        "tags": [writer.tag.rstrip("_") if group or path == "api" else "apis"],
        "description": "get information of a group" if group else "get available API versions",
        "operationId": f"get{writer.title if group or path == 'api' else ''}API{'Group' if group else 'Versions'}",
        "responses": writer.answers(paths.META + kind, paths.ANSWERS, paths.OK),
    }
    used = components.reachable(writer.used, {})
    return {f"/{path}/": {"get": operation}}, {name: components.component(name, {}, ("", "v1")) for name in used}


# --- names of definitions


class _Definitions(NamedTuple):
    """The definition of each kind, and those of kinds that are not built in: as v3 and as v2 write them."""

    names: dict[tuple[str, str, str], str]
    v3: dict[str, dict[str, Any]]
    v2: dict[str, dict[str, Any]]


def _definitions(rows: list[kinds.Kind], schema_of: CustomSchema) -> _Definitions:
    found = _Definitions({}, {}, {})
    found.names.update((kind, name) for kind, name in schemas.served().kinds().items())
    for row in rows:
        schema = schema_of(row)
        if schema is None:
            continue
        name = custom.definition_name(row)
        found.names[row.group, row.version, row.kind] = name
        found.names[row.group, row.version, row.list_kind] = f"{name}List"
        found.v3[name] = custom.definition(row, schema)
        found.v2[name] = custom.definition_v2(row, schema)
        found.v3[f"{name}List"] = found.v2[f"{name}List"] = custom.list_definition(row, schema)
    return found


# --- Swagger 2.0


def _path_v2(item: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for method, operation in item.items():
        if method == "parameters":
            written[method] = [_parameter_v2(parameter) for parameter in operation]
        else:
            written[method] = _operation_v2(operation)
    return written


def _parameter_v2(parameter: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in parameter.items() if key != "schema"}
    return {**rest, **parameter["schema"]}


def _operation_v2(operation: dict[str, Any]) -> dict[str, Any]:
    written = {key: value for key, value in operation.items() if key not in ("requestBody", "responses", "parameters")}
    listed = [_parameter_v2(parameter) for parameter in operation.get("parameters", ())]
    body = operation.get("requestBody")
    written["schemes"] = ["https"]
    written["consumes"] = list(body["content"]) if body else [paths.ANY]
    if body:
        schema = next(iter(body["content"].values()))["schema"]
        listed.append({"name": "body", "in": "body", "schema": _reference_v2(schema)})
        if body.get("required"):
            listed[-1]["required"] = True
    if listed:
        written["parameters"] = listed
    produced: dict[str, None] = {}
    answers = {}
    for code, answer in operation["responses"].items():
        answers[code] = {"description": answer["description"]}
        for media, content in answer.get("content", {}).items():
            produced[media] = None
            answers[code]["schema"] = _reference_v2(content["schema"])
    written["produces"] = list(produced)
    written["responses"] = answers
    return written


def _reference_v2(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return {"$ref": components.V2_PREFIX + reference.removeprefix(components.V3_PREFIX)}
