"""The operations of a kind: paths, operation ids, parameters, media types of bodies and answers.

kubectl looks here for the media types of PATCH and for the `fieldValidation` parameter of each kind.
Upstream: apiserver/pkg/endpoints/installer.go. Pure.
"""

from typing import Any

from pybernetes.api import kinds
from pybernetes.api.openapi import parameters

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
ANSWERS = (JSON, PROTOBUF, YAML)
WATCH_ANSWERS = (JSON, f"{JSON};stream=watch", PROTOBUF, f"{PROTOBUF};stream=watch", YAML)
CUSTOM_ANSWERS = (JSON, YAML)
ANY = "*/*"
APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
OK, CREATED, ACCEPTED = ("200", "OK"), ("201", "Created"), ("202", "Accepted")
_CONNECT_METHODS = {"proxy": ("get", "put", "post", "delete", "options", "head", "patch")}

Operation = dict[str, Any]


class Writer:
    """Writes the paths of one group version; `names` are those of the kinds' definitions, `used` those it names."""

    def __init__(self, group: str, version: str, names: dict[tuple[str, str, str], str], custom: bool) -> None:
        self.group = group
        self.version = version
        self.names = names
        self.custom = custom
        self.prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
        short = "core" if not group else group.removesuffix(".k8s.io") if group.endswith(".k8s.io") else group
        words = short.split(".")
        self.title = "".join(word[:1].upper() + word[1:] for word in words) + version[:1].upper() + version[1:]
        self.tag = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:]) + f"_{version}"
        self.used: set[str] = set()

    def write(self, rows: list[kinds.Kind]) -> dict[str, Any]:
        """All paths, in order."""
        paths: dict[str, Any] = {}
        if not self.custom:
            listed = self.answers(META + "APIResourceList", ANSWERS, OK)
            resources: Operation = {
                "tags": [self.tag],
                "description": "get available resources",
                "operationId": f"get{self.title}APIResources",
                "responses": listed,
            }
            paths[f"{self.prefix}/"] = {"get": resources}
        for row in rows:
            self.kind(row, paths)
            for sub in row.subresources:
                self.subresource(row, sub, paths)
        return dict(sorted(paths.items()))

    # --- kinds

    def kind(self, row: kinds.Kind, paths: dict[str, Any]) -> None:
        scope = "Namespaced" if row.namespaced else ""
        space = "/namespaces/{namespace}" if row.namespaced else ""
        fixed = ("namespace", "pretty") if row.namespaced else ("pretty",)
        name = self.definition(row.group, row.version, row.kind)
        collection: dict[str, Operation] = {}
        gvk = (row.group, row.version, row.kind)
        if "list" in row.verbs:
            listed = self.definition(row.group, row.version, row.list_kind)
            collection["get"] = self.operation(
                "list", f"list{self.title}{scope}{row.kind}", gvk, parameters.LIST, f"list objects of kind {row.kind}"
            )
            collection["get"]["responses"] = self.answers(listed, CUSTOM_ANSWERS if self.custom else WATCH_ANSWERS, OK)
        if "create" in row.verbs:
            create = self.operation(
                "post", f"create{self.title}{scope}{row.kind}", gvk, parameters.WRITE, f"create a {row.kind}"
            )
            collection["post"] = self.with_body(create, name, OK, CREATED, ACCEPTED)
        if "deletecollection" in row.verbs:
            collection["delete"] = self.deletion(
                "deletecollection",
                f"delete{self.title}Collection{scope}{row.kind}",
                gvk,
                parameters.DELETE_COLLECTION,
                OK,
            )
        self.add(paths, f"{space}/{row.plural}", fixed, collection)
        if row.namespaced and "list" in row.verbs:
            everywhere = dict(collection["get"], operationId=f"list{self.title}{row.kind}ForAllNamespaces")
            self.add(paths, f"/{row.plural}", ("pretty",), {"get": everywhere})
        item: dict[str, Operation] = {}
        if "get" in row.verbs:
            item["get"] = self.reading(f"read{self.title}{scope}{row.kind}", gvk, name)
        item |= self.updates(row.verbs, f"{self.title}{scope}{row.kind}", gvk, name)
        if "delete" in row.verbs:
            item["delete"] = self.deletion(
                "delete", f"delete{self.title}{scope}{row.kind}", gvk, parameters.DELETE, OK, ACCEPTED
            )
        self.add(paths, f"{space}/{row.plural}/{{name}}", ("name", *fixed), item)
        if "watch" in row.verbs and not self.custom:
            self.watches(row, space, fixed, scope, paths)

    def watches(self, row: kinds.Kind, space: str, fixed: tuple[str, ...], scope: str, paths: dict[str, Any]) -> None:
        """The old form of watching, by path instead of by parameter."""
        gvk = (row.group, row.version, row.kind)
        answers = self.answers(META + "WatchEvent", WATCH_ANSWERS, OK)
        forms = [("watchlist", f"{space}/{row.plural}", f"{scope}{row.kind}List", fixed)]
        if "get" in row.verbs:
            forms.append(("watch", f"{space}/{row.plural}/{{name}}", f"{scope}{row.kind}", ("name", *fixed)))
        if row.namespaced:
            forms.append(("watchlist", f"/{row.plural}", f"{row.kind}ListForAllNamespaces", ("pretty",)))
        for action, path, suffix, own in forms:
            operation = self.operation(action, f"watch{self.title}{suffix}", gvk, parameters.LIST, "watch changes")
            operation["responses"] = answers
            self.add(paths, f"/watch{path}", own, {"get": operation})

    def subresource(self, row: kinds.Kind, sub: kinds.Subresource, paths: dict[str, Any]) -> None:
        scope = "Namespaced" if row.namespaced else ""
        space = "/namespaces/{namespace}" if row.namespaced else ""
        path = f"{space}/{row.plural}/{{name}}/{sub.name}"
        places = ("name", "namespace") if row.namespaced else ("name",)
        suffix = f"{scope}{row.kind}{sub.name[:1].upper()}{sub.name[1:]}"
        gvk = (sub.group, sub.version, sub.kind)
        if sub.kind in parameters.CONNECT:
            self.connect(path, places, suffix, sub, paths)
            return
        name = self.definition(*gvk)
        item: dict[str, Operation] = {}
        if "get" in sub.verbs:
            item["get"] = self.reading(f"read{self.title}{suffix}", gvk, name)
            if sub.name == "log":
                item["get"]["parameters"] = list(parameters.LOG)
                item["get"]["responses"] = self.answers("", (*ANSWERS, "text/plain"), OK)
        if "create" in sub.verbs:
            create = self.operation(
                "post", f"create{self.title}{suffix}", gvk, parameters.WRITE, f"create {sub.name} of a {row.kind}"
            )
            item["post"] = self.with_body(create, name, OK, CREATED, ACCEPTED)
        item |= self.updates(sub.verbs, f"{self.title}{suffix}", gvk, name)
        self.add(paths, path, (*places, "pretty"), item)

    def connect(
        self, path: str, places: tuple[str, ...], suffix: str, sub: kinds.Subresource, paths: dict[str, Any]
    ) -> None:
        gvk = (sub.group, sub.version, sub.kind)
        forms = [(path, suffix, places)]
        if sub.name == "proxy":
            forms.append((path + "/{path}", suffix + "WithPath", (*places, "path")))
        for where, ending, own in forms:
            item = {}
            for method in _CONNECT_METHODS.get(sub.name, ("get", "post")):
                operation = self.operation(
                    "connect",
                    f"connect{self.title}{method[:1].upper()}{method[1:]}{ending}",
                    gvk,
                    (),
                    f"connect {method.upper()} requests to {sub.name}",
                )
                operation["responses"] = self.answers("", (ANY,), OK)
                item[method] = operation
            self.add(paths, where, (*own, *parameters.CONNECT[sub.kind]), item)

    # --- operations

    def definition(self, group: str, version: str, kind: str) -> str:
        name = self.names.get((group, version, kind), "")
        if name:
            self.used.add(name)
        return name

    def operation(
        self, action: str, identifier: str, gvk: tuple[str, str, str], names: tuple[str, ...], description: str
    ) -> Operation:
        return {
            "tags": [self.tag],
            "description": description,
            "operationId": identifier,
            "parameters": list(names),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": dict(zip(("group", "version", "kind"), gvk, strict=True)),
        }

    def reading(self, identifier: str, gvk: tuple[str, str, str], name: str) -> Operation:
        operation = self.operation("get", identifier, gvk, (), f"read the specified {gvk[2]}")
        operation["responses"] = self.answers(name, CUSTOM_ANSWERS if self.custom else ANSWERS, OK)
        return operation

    def updates(
        self, verbs: tuple[str, ...], suffix: str, gvk: tuple[str, str, str], name: str
    ) -> dict[str, Operation]:
        written: dict[str, Operation] = {}
        if "update" in verbs:
            put = self.operation("put", f"replace{suffix}", gvk, parameters.WRITE, f"replace the specified {gvk[2]}")
            written["put"] = self.with_body(put, name, OK, CREATED)
        if "patch" in verbs:
            patch = self.operation("patch", f"patch{suffix}", gvk, parameters.PATCH, f"change parts of a {gvk[2]}")
            types = [APPLY_PATCH, JSON_PATCH, MERGE_PATCH]
            if not self.custom:
                types.append(STRATEGIC_PATCH)
            schema = {"schema": self.reference(META + "Patch")}
            patch["requestBody"] = {"content": dict.fromkeys(types, schema), "required": True}
            patch["responses"] = self.answers(name, CUSTOM_ANSWERS if self.custom else ANSWERS, OK, CREATED)
            written["patch"] = patch
        return written

    def with_body(self, operation: Operation, name: str, *codes: tuple[str, str]) -> Operation:
        schema = {"schema": self.reference(name)}
        types = (JSON, YAML) if self.custom else (ANY,)
        operation["requestBody"] = {"content": dict.fromkeys(types, schema), "required": True}
        operation["responses"] = self.answers(name, CUSTOM_ANSWERS if self.custom else ANSWERS, *codes)
        return operation

    def deletion(
        self,
        action: str,
        identifier: str,
        gvk: tuple[str, str, str],
        names: tuple[str, ...],
        *codes: tuple[str, str],
    ) -> Operation:
        operation = self.operation(action, identifier, gvk, names, f"delete objects of kind {gvk[2]}")
        types = (JSON, YAML) if self.custom else (ANY,)
        schema = {"schema": self.reference(META + "DeleteOptions")}
        operation["requestBody"] = {"content": dict.fromkeys(types, schema)}
        operation["responses"] = self.answers(META + "Status", CUSTOM_ANSWERS if self.custom else ANSWERS, *codes)
        return operation

    def reference(self, name: str) -> dict[str, Any]:
        if not name:
            return {"type": "string"}
        self.used.add(name)
        return {"$ref": "#/components/schemas/" + name}

    def answers(self, name: str, types: tuple[str, ...], *codes: tuple[str, str]) -> dict[str, Any]:
        schema = {"schema": self.reference(name)}
        written: dict[str, Any] = {
            code: {"description": text, "content": dict.fromkeys(types, schema)} for code, text in codes
        }
        written["401"] = {"description": "Unauthorized"}
        return written

    def add(self, paths: dict[str, Any], path: str, shared: tuple[str, ...], operations: dict[str, Operation]) -> None:
        """Parameters that all operations of a path have stand at the path."""
        if not operations:
            return
        own = [set(operation.get("parameters", ())) for operation in operations.values()]
        common = set.intersection(*own)
        written: dict[str, Any] = {}
        for method, operation in operations.items():
            names = [name for name in operation.get("parameters", ()) if name not in common]
            rest = {key: value for key, value in operation.items() if key != "parameters"}
            written[method] = {**rest, "parameters": [parameters.parameter(n) for n in names]} if names else rest
        at_path = sorted({*shared, *common}, key=lambda name: (name.lstrip("?"), name))
        written["parameters"] = [parameters.parameter(name) for name in at_path]
        paths[self.prefix + path] = written
