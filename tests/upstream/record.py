"""Asks the oracle and writes what it answers under `tests/golden/upstream/`.

    python tests/upstream/record.py                                  # all parts, on an oracle of its own
    python tests/upstream/record.py --kubeconfig FILE errors patches # some parts, on a running one
    python tests/upstream/record.py errors/service                   # one file of a part

Inputs (`defaults/*.input.yaml`, the cases of `errors/` and `patches/`) are written by hand; this fills in the answers.
What each file holds is described in `tests/golden/upstream/README.md`.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases
import oracle
import record_custom
import record_state

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "upstream"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
RBAC_GROUP = "/apis/rbac.authorization.k8s.io/v1"
SAMPLES = {
    "version.json": "/version",
    "api.json": "/api",
    "apis.json": "/apis",
    "api_v1.json": "/api/v1",
    "apis_apps.json": "/apis/apps",
    "apis_apps_v1.json": "/apis/apps/v1",
    "apis_policy_v1.json": "/apis/policy/v1",
    "openapi_v3.json": "/openapi/v3",
    "livez.txt": "/livez",
    "livez_verbose.txt": "/livez?verbose",
    "readyz_verbose.txt": "/readyz?verbose",
    "healthz_verbose.txt": "/healthz?verbose",
    "livez_ping.txt": "/livez/ping",
    "root.json": "/",
    "openid_configuration.json": "/.well-known/openid-configuration",
}
OPENAPI_GROUPS = ("api/v1", "apis/apps/v1", "apis/batch/v1", "apis/policy/v1", "version", "apis")
OPENAPI_WHOLE = ("apis/coordination.k8s.io/v1", "apis/scheduling.k8s.io/v1")


def write(name: str, text: str) -> None:
    """Writes one golden file."""
    path = GOLDEN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_json(name: str, value: object) -> None:
    """Writes compact JSON, one top-level list item a line where that keeps differences readable."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        items = ",\n".join(json.dumps(one, separators=(",", ":")) for one in value["items"])
        head = json.dumps({key: one for key, one in value.items() if key != "items"}, separators=(",", ":"))
        write(name, f'{head[:-1]},"items":[\n{items}\n]}}\n')
    else:
        write(name, json.dumps(value, separators=(",", ":")) + "\n")


def groups(server: cases.Server) -> list[dict[str, Any]]:
    """Aggregated discovery of the core group and all others, in the server's order, without the cases' own groups."""
    found = []
    for path in ("/api", "/apis"):
        _, answer = server.json("GET", path, accept=DISCOVERY)
        found += [one for one in answer["items"] if "golden" not in one.get("metadata", {}).get("name", "")]
    return found


def record_discovery(server: cases.Server, names: list[str]) -> None:
    """discovery.json and the samples of small endpoints."""
    write_json(
        "discovery.json",
        {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups(server)},
    )
    for name, path in SAMPLES.items():
        code, headers, body = server.send("GET", path, headers={"Accept": "*/*"})
        if code != 200:
            print(f"{path}: {code}", file=sys.stderr)
        text = body.decode()
        if name.endswith(".json"):
            text = json.dumps(json.loads(text), indent=1) + "\n"
        write(f"samples/{name}", text)
        print(f"samples/{name}: {headers.get('Content-Type')}")


def record_rbac(server: cases.Server, names: list[str]) -> None:
    """rbac.yaml: the bootstrap policy."""
    items = []
    for plural in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        code, found = server.json("GET", f"{RBAC_GROUP}/{plural}")
        assert code == 200, found
        kind = found["kind"].removesuffix("List")
        for one in found["items"]:
            metadata = one["metadata"]
            kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if key in metadata}
            if "golden" in kept["name"]:
                continue
            rest = {key: one[key] for key in ("aggregationRule", "roleRef", "subjects", "rules") if key in one}
            items.append({"kind": kind, "metadata": kept, **rest})
    write("rbac.yaml", cases.dump(items))


def record_columns(server: cases.Server, names: list[str]) -> None:
    """columns.yaml: the Table columns of every resource that can be listed."""
    found: dict[str, Any] = {}
    for group in groups(server):
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            prefix = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
            for resource in version["resources"]:
                if "list" in resource["verbs"]:
                    path = f"{prefix}/{resource['resource']}"
                    code, table = server.json("GET", f"{path}?limit=1", accept=TABLE)
                    if code != 200 or table.get("kind") != "Table":
                        print(f"{path}: {code} {table}", file=sys.stderr)
                        continue
                    found[path.lstrip("/")] = table["columnDefinitions"]
    lines = [f"{path}:\n" + "".join(f"- {json.dumps(one)}\n" for one in columns) for path, columns in found.items()]
    write("columns.yaml", "".join(lines))


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": operation.get("operationId"),
        "action": operation.get("x-kubernetes-action"),
        "kind": operation.get("x-kubernetes-group-version-kind"),
    }
    if "parameters" in operation:
        result["parameters"] = [one["name"] for one in operation["parameters"]]
    if "requestBody" in operation:
        result["body"] = list(operation["requestBody"]["content"])
    result["responses"] = {code: list(one.get("content", {})) for code, one in operation["responses"].items()}
    return {key: value for key, value in result.items() if value is not None}


def record_openapi(server: cases.Server, names: list[str]) -> None:
    """openapi_paths.json.gz (paths, operations, parameter names of a few groups) and two whole small documents."""
    paths: dict[str, Any] = {}
    for name in OPENAPI_GROUPS:
        code, document = server.json("GET", f"/openapi/v3/{name}")
        assert code == 200, name
        for path, item in document["paths"].items():
            entry: dict[str, Any] = {}
            if "parameters" in item:
                entry["parameters"] = [one["name"] for one in item["parameters"]]
            entry |= {verb: _operation(one) for verb, one in item.items() if verb != "parameters"}
            paths[path] = entry
    _write_gzip("openapi_paths.json.gz", paths)
    for name in OPENAPI_WHOLE:
        _, document = server.json("GET", f"/openapi/v3/{name}")
        _write_gzip(f"samples/openapi_{name.replace('/', '_')}.json.gz", document)
    _, document = server.json("GET", "/openapi/v2")
    head = {key: value for key, value in document.items() if key not in ("paths", "definitions")}
    write_json("samples/openapi_v2_head.json", head | {"definitionNames": sorted(document["definitions"])})


def _write_gzip(name: str, value: object) -> None:
    path = GOLDEN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(value, separators=(",", ":")).encode(), 9, mtime=0))


def record_defaults(server: cases.Server, names: list[str]) -> None:
    """defaults/NAME.output.yaml for every NAME.input.yaml, and defaults/tables.yaml with each object's Table row."""
    server.ensure_namespace("golden-other")
    rows: dict[str, Any] = {}
    for path in sorted((GOLDEN / "defaults").glob("*.input.yaml")):
        name = path.name.removesuffix(".input.yaml")
        if names and name not in names:
            continue
        item = cases.load(path)
        server.remove(item)
        try:
            created = server.create(item, status=False)
        except LookupError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        address = f"{server.collection(item)}/{item['metadata']['name']}"
        _, table = server.json("GET", address, accept=TABLE)
        server.remove(item)
        write(f"defaults/{name}.output.yaml", cases.dump(cases.strip(created)))
        rows[name] = [cases.cell(one) for one in table["rows"][0]["cells"]]
    if not names:
        lines = [f"{name}: {json.dumps(cells)}\n" for name, cells in rows.items()]
        write("defaults/tables.yaml", "".join(lines))


def record_cases(folder: str) -> Callable[[cases.Server, list[str]], None]:
    """Runs the cases of a folder and writes the answers into the same files."""

    def record(server: cases.Server, names: list[str]) -> None:
        for path in cases.case_files(GOLDEN / folder, names):
            written = cases.load(path)
            for case in written:
                asked = {key: value for key, value in case.items() if key not in ("expect", "stored")}
                try:
                    answer = cases.run_case(server, copy.deepcopy(asked))
                except (LookupError, OSError) as error:
                    print(f"{path.stem}: {case['name']}: {error}", file=sys.stderr)
                    continue
                case.clear()
                case.update(asked | (cases.brief(answer) if path.stem.startswith(cases.BRIEF) else answer))
            cases.write(path, written)
            print(f"{folder}/{path.stem}: {len(written)} cases")

    return record


def record_managed(server: cases.Server, names: list[str]) -> None:
    """managed/sequences.yaml."""
    record_state.record_managed(server, GOLDEN / "managed" / "sequences.yaml")


def record_boot(server: cases.Server, names: list[str]) -> None:
    """boot.yaml and rbac_aggregated.yaml, always from a fresh server with controllers."""
    record_state.record_boot(GOLDEN)


PARTS: dict[str, Callable[[cases.Server, list[str]], None]] = {
    "discovery": record_discovery,
    "columns": record_columns,
    "rbac": record_rbac,
    "openapi": record_openapi,
    "defaults": record_defaults,
    "errors": record_cases("errors"),
    "patches": record_cases("patches"),
    "managed": record_managed,
    "custom": record_custom.record,
    "boot": record_boot,
}


def record(server: cases.Server, wanted: list[str]) -> None:
    """Records the parts asked for: PART or PART/FILE."""
    server.ensure_namespace()
    for part, recorder in PARTS.items():
        files = [one.partition("/")[2] for one in wanted if one.partition("/")[0] == part]
        if files or not wanted:
            print(f"recording {part}", flush=True)
            recorder(server, [one for one in files if one])


def main(arguments: list[str]) -> int:
    """Records from a running server or from an oracle started for it."""
    parser = argparse.ArgumentParser(description="Record upstream's answers as golden files.")
    parser.add_argument("--kubeconfig", type=pathlib.Path, help="a running oracle's kubeconfig")
    parser.add_argument("parts", nargs="*", help=f"PART or PART/FILE; parts: {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    unknown = [one for one in options.parts if one.partition("/")[0] not in PARTS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    if options.kubeconfig:
        record(cases.Server.from_kubeconfig(options.kubeconfig), options.parts)
        return 0
    with oracle.Oracle() as upstream:
        upstream.forget_history()
        record(cases.Server(upstream.url, upstream.ca, upstream.token), options.parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
