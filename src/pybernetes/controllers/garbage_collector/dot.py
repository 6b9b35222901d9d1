"""The graph of owners in Graphviz's language, as /debug/controllers/garbage-collector-controller/graph shows it.

Upstream: pkg/controller/garbagecollector/dump.go. Pure.
"""

import json
from collections.abc import Iterable

from pybernetes.controllers.garbage_collector.graph import Graph, Node


def related(graph: Graph, uids: Iterable[str]) -> list[Node]:
    """The nodes with those uids, their owners and dependents, and theirs."""
    found: dict[str, Node] = {}
    waiting = [*uids]
    while waiting:
        node = graph.get(waiting.pop())
        if node is not None and node.identity.uid not in found:
            found[node.identity.uid] = node
            waiting += [owner.uid for owner in node.owners]
            waiting += [dependent.identity.uid for dependent in node.dependents or ()]
    return [*found.values()]


def render(nodes: Iterable[Node]) -> str:
    """Nodes and edges (from dependent to owner) by uid; those that own nothing and are owned by nobody are left out."""
    shown = sorted((node for node in nodes if node.owners or node.dependents), key=lambda node: node.identity.uid)
    edges = sorted((node.identity.uid, owner.uid) for node in shown for owner in node.owners)
    lines = ["strict digraph full {"]
    if shown:
        lines += ["  // Node definitions.", *(_node(node) for node in shown)]
    if edges:
        lines += ["  // Edge definitions.", *(f"  {_quote(first)} -> {_quote(second)};" for first, second in edges)]
    return "\n".join((*lines, "}\n"))


def _node(node: Node) -> str:
    identity = node.identity
    group, _, version = identity.api_version.rpartition("/")
    states = {
        "beingDeleted": node.being_deleted,
        "deletingDependents": node.deleting_dependents,
        "virtual": node.virtual,
    }
    kind = ".".join(part for part in (identity.kind, version, group) if part)
    label = f"uid={identity.uid}\nnamespace={identity.namespace}\n{kind}/{identity.name}\n"
    if true := ",".join(name for name, value in states.items() if value):
        label += f"{true}\n"
    attributes = {
        "label": label,
        "group": group,
        "version": version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
        "uid": identity.uid,
        "missing": "false",
        **{name: str(value).lower() for name, value in states.items()},
    }
    body = "\n".join(f"    {name}={_quote(value)}" for name, value in attributes.items())
    return f"  {_quote(identity.uid)} [\n{body}\n  ];"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
