"""Records what upstream says of values in custom resources: `tests/golden/upstream/custom_values.yaml`.

A case has a schema and a value by hand; this fills in `expect`, the causes of the refusal (none: it is taken), in which
`.` is the place of the value.
"""

from __future__ import annotations

import json
import pathlib
import time
from typing import Any

import cases

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "upstream"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMES = {"plural": "values", "singular": "value", "kind": "Value", "listKind": "ValueList"}
SETTLE_SECONDS = 3.0


def record(server: cases.Server, names: list[str]) -> None:
    """One definition has the schemas of all cases, each under a name of its own."""
    path = GOLDEN / "custom_values.yaml"
    listed = cases.load(path)
    properties = {f"v{at}": {"type": "object", "properties": {"v": one["schema"]}} for at, one in enumerate(listed)}
    schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "custom.golden.io", "names": NAMES, "scope": "Cluster", "versions": [version]}
    code, answer = server.json("POST", DEFINITIONS, {"metadata": {"name": "values.custom.golden.io"}, "spec": spec})
    assert code == 201, answer
    time.sleep(SETTLE_SECONDS)
    try:
        for index, one in enumerate(listed):
            one["expect"] = _causes(server, f"v{index}", one["value"])
    finally:
        server.json("DELETE", f"{DEFINITIONS}/values.custom.golden.io")
    path.write_text("".join(f"- {json.dumps(one, ensure_ascii=False)}\n" for one in listed))
    print(f"custom_values: {len(listed)} cases")


def _causes(server: cases.Server, name: str, value: Any) -> list[str]:
    head = {"apiVersion": "custom.golden.io/v1", "kind": "Value", "metadata": {"name": "x"}}
    path = "/apis/custom.golden.io/v1/values?dryRun=All"
    code, answer = server.json("POST", path, {**head, name: {"v": value}})
    if code == 201:
        return []
    causes = answer.get("details", {}).get("causes") or [{"message": answer["message"], "field": ""}]
    return sorted(f"{one.get('field', '')}: {one['message']}".replace(f"{name}.v", ".") for one in causes)
