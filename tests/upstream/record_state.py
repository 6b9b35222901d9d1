"""The parts of the record that are no single request: what exists after boot, and who owns fields step by step.

Used by `record.py` (parts `boot` and `managed`).
"""

from __future__ import annotations

import copy
import json
import pathlib
import time
from typing import Any

import cases
import oracle

METHODS = {"create": "POST", "update": "PUT", "post": "POST"}
SETTLE_SECONDS = 12.0


def boot_objects(server: cases.Server) -> list[dict[str, Any]]:
    """Every object of a cluster without nodes, with `createdBy`: the field manager that made it."""
    found = []
    for version, plural in _listable(server):
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        code, listed = server.json("GET", f"{prefix}/{plural}")
        if code != 200 or not listed["kind"].endswith("List"):
            continue
        for item in listed["items"]:
            managers = [one["manager"] for one in item["metadata"].get("managedFields", [])]
            kept = cases.strip({"apiVersion": version, "kind": listed["kind"].removesuffix("List"), **item})
            for secret in ("data", "binaryData") if kept["kind"] in ("Secret", "ConfigMap") else ():
                kept[secret] = dict.fromkeys(kept.get(secret) or {}, "<data>")
            found.append({"createdBy": managers[0] if managers else "", **kept})
    return found


def _listable(server: cases.Server) -> list[tuple[str, str]]:
    _, groups = server.json("GET", "/apis")
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups["groups"])]
    result = []
    for version in versions:
        _, found = server.json("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
        for one in found["resources"]:
            if "list" in one["verbs"] and "/" not in one["name"]:
                result.append((version, one["name"]))
    # Core events, RBAC (rbac.yaml has it) and duplicates of other groups are left out.
    skipped = {"events", "componentstatuses", "clusterrolebindings", "roles", "rolebindings", "endpoints"}
    return [(version, name) for version, name in result if name not in skipped]


def record_boot(folder: pathlib.Path) -> None:
    """boot.yaml, and rbac_aggregated.yaml: the rules that the aggregation controller writes."""
    with oracle.Oracle(controllers=True, scheduler=True) as upstream:
        time.sleep(SETTLE_SECONDS)
        server = cases.Server(upstream.url, upstream.ca, upstream.token)
        items = boot_objects(server)
    aggregated = {
        one["metadata"]["name"]: one["rules"]
        for one in items
        if one["kind"] == "ClusterRole" and one.get("aggregationRule")
    }
    (folder / "rbac_aggregated.yaml").write_text(cases.dump(aggregated))
    (folder / "boot.yaml").write_text(cases.dump([one for one in items if one["kind"] != "ClusterRole"]))


def record_managed(server: cases.Server, path: pathlib.Path) -> None:
    """Runs the sequences of managed/sequences.yaml; notes code, managedFields and error of each step."""
    sequences = cases.load(path)
    for sequence in sequences:
        first = sequence["steps"][0]["body"]
        server.remove(first)
        for step in sequence["steps"]:
            code, found = _step(server, first, step)
            step.pop("result", None)
            step["result"] = {"code": code}
            if code >= 400:
                step["result"]["status"] = cases.normalise(found)
            elif found.get("kind") == "Status" or step.get("subresource") in ("scale", "binding"):
                address = f"{server.collection(first)}/{first['metadata']['name']}"
                step["result"]["managedFields"] = _managed(server.json("GET", address)[1])
            else:
                step["result"]["managedFields"] = _managed(found)
        server.remove(first)
    path.write_text("\n".join(cases.dump([one]) for one in sequences))


def _step(server: cases.Server, first: dict[str, Any], step: dict[str, Any]) -> tuple[int, Any]:
    path = server.collection(first)
    if step["type"] != "create":
        path += f"/{first['metadata']['name']}"
    path += f"/{step['subresource']}" if "subresource" in step else ""
    path += f"?{step['query']}" if "query" in step else ""
    headers = {"Content-Type": cases.PATCH_TYPES.get(step["type"], "application/json")}
    headers["User-Agent"] = step.get("userAgent", "sequence")
    method = METHODS.get(step["type"], "PATCH")
    code, _, answer = server.send(method, path, json.dumps(step["body"]).encode(), headers)
    return code, json.loads(answer)


def _managed(item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cases.normalise(copy.deepcopy(item["metadata"].get("managedFields", [])))
    return found
