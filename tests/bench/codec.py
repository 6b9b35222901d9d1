"""What reading a body costs: `python tests/bench/codec.py`.

Best of many runs, and as a multiple of msgspec's plain decode in the same process: the ratio holds on any machine.
Budgets: conform 4 decodes of the same pod, complete 2, a protobuf body 12; OpenAPI's core document 200 ms, once.
"""

import pathlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

from pybernetes.api import kinds, schemas
from pybernetes.api.codec import body, protobuf, structure
from pybernetes.api.openapi import documents
from pybernetes.apimachinery import gvk

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
POD = gvk.GroupVersionKind("", "v1", "Pod")


def best(function: Callable[[], Any], runs: int = 300) -> float:
    """Seconds of the fastest run."""
    found = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        function()
        found = min(found, time.perf_counter() - started)
    return found


def say(what: str, seconds: float, unit: float) -> None:
    print(f"{what:42} {seconds * 1e6:9.1f} us {seconds / unit:8.1f} x")


def main() -> None:
    text = (GOLDEN / "upstream" / "defaults" / "pod-full.output.yaml").read_text()
    pod = yaml.safe_load(text.replace("<time>", "'2025-01-01T00:00:00Z'"))
    data = msgspec.json.encode(pod)
    unit = best(lambda: msgspec.json.decode(data))
    say(f"msgspec decode of a pod, {len(data)} bytes", unit, unit)
    structure.conform(pod, "v1", "Pod")
    say("conform", best(lambda: structure.conform(pod, "v1", "Pod")), unit)
    say("complete", best(lambda: structure.complete(pod, "v1", "Pod")), unit)
    say("body.read", best(lambda: body.read(data, body.JSON, POD)), unit)
    wire = (GOLDEN / "protobuf" / "v1_Pod.pb").read_bytes()
    plain = msgspec.json.encode(protobuf.decode(wire))
    unit = best(lambda: msgspec.json.decode(plain))
    say(f"protobuf decode, {len(wire)} bytes of {len(plain)}", best(lambda: protobuf.decode(wire)), unit)
    say("load the definitions", best(lambda: schemas.Definitions(), 5), unit)
    publisher = documents.Publisher(kinds.KindTable())
    say("OpenAPI document of core/v1", best(lambda: (publisher.forget(), publisher.document("api/v1")), 5), unit)


if __name__ == "__main__":
    main()
