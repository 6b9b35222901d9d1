"""What is said about a run: tables, the page docs/conformance.md, and the results that are kept between runs."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import suite

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "conformance.md"
REASONS, HANGS = (pathlib.Path(__file__).with_name(name) for name in ("missing.txt", "hangs.txt"))
UPSTREAM: dict[str, tuple[int, int]] = {
    "api-machinery": (100, 1047),
    "apps": (60, 1221),
    "architecture": (1, 0),
    "auth": (27, 150),
    "cli": (17, 48),
    "instrumentation": (4, 0),
    "network": (47, 410),
    "node": (104, 2422),
    "scheduling": (11, 653),
    "storage": (91, 877),
}
"""Upstream's own binaries on two such nodes: specs passed, sum of their seconds."""

Used = Mapping[str, Mapping[str, float]]


def load(path: pathlib.Path) -> dict[str, suite.Spec]:
    """How each spec ended when it ran last."""
    if not path.exists():
        return {}
    return {one["name"]: suite.Spec(**one) for one in json.loads(path.read_text())}


def save(path: pathlib.Path, known: Mapping[str, suite.Spec]) -> None:
    """Keep it for the next run."""
    path.write_text(json.dumps([dataclasses.asdict(known[name]) for name in sorted(known)], indent=1) + "\n")


def used(before: Used, after: Used) -> dict[str, dict[str, float]]:
    """What each process used between two looks."""
    return {
        name: {"rss": now["rss"], "cpu": round(now["cpu"] - before.get(name, {"cpu": 0.0})["cpu"], 1)}
        for name, now in after.items()
    }


def table(specs: Sequence[suite.Spec], seconds: float, processes: Used) -> str:
    """Results by sig beside upstream's, and what our processes used."""
    lines = ["| sig | passed | failed | seconds | upstream passed | upstream seconds |", "|---|---|---|---|---|---|"]
    rows = suite.by_sig(specs)
    for sig, row in rows.items():
        theirs = UPSTREAM.get(sig, (0, 0))
        lines.append(
            f"| {sig} | {row['passed']:.0f} | {row['failed']:.0f} | {row['seconds']:.0f} | {theirs[0]} | {theirs[1]} |"
        )
    passed, failed = (sum(int(row[state]) for row in rows.values()) for state in ("passed", "failed"))
    total = sum(row["seconds"] for row in rows.values())
    theirs_passed, theirs_seconds = (sum(one[index] for one in UPSTREAM.values()) for index in (0, 1))
    lines.append(f"| all | {passed} | {failed} | {total:.0f} | {theirs_passed} | {theirs_seconds} |")
    lines += ["", f"Wall time {seconds:.0f} s.", "", "| process | MiB at the end | CPU seconds |", "|---|---|---|"]
    lines += [f"| {name} | {one['rss']:.0f} | {one['cpu']:.0f} |" for name, one in processes.items()]
    return "\n".join(lines)


def failures(specs: Iterable[suite.Spec]) -> str:
    """The specs that failed, with what they said."""
    return "\n".join(f"FAILED {spec.name}\n       {spec.message}" for spec in specs if spec.state == "failed")


def reasons(path: pathlib.Path = REASONS) -> dict[str, str]:
    """What is missing for specs that fail, by a part of their names."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {part.strip(): why.strip() for part, _, why in (line.partition(" :: ") for line in lines)}


def hanging(names: Iterable[str]) -> list[suite.Spec]:
    """Those of the specs that would never end, as failures."""
    known = reasons(HANGS)
    found = ((name, why) for name in names for part, why in known.items() if part in name)
    return [suite.Spec(name, "failed", 0.0, f"not run, it would not end: {why}") for name, why in found]


def write_page(specs: Sequence[suite.Spec], seconds: float, processes: Used) -> None:
    """docs/conformance.md: the table of the last whole run, and the specs that fail, each with what is missing."""
    why = {**reasons(), **reasons(HANGS)}
    failed = sorted(spec.name for spec in specs if spec.state == "failed")
    lines = [
        "# Conformance",
        "",
        "Upstream's own suite, 462 specs, against a cluster of two real nodes. `scripts/conformance --page` wrote this",
        "page; `scripts/conformance --help` says what else it can do. Upstream's figures are those of its own programs",
        "on such machines.",
        "",
        table(specs, seconds, processes),
        "",
        f"## Specs that fail: {len(failed)}",
        "",
    ]
    for name in failed:
        reason = next((text for part, text in why.items() if part in name), "not looked at yet")
        lines.append(f"- {name}: {reason}")
    PAGE.write_text("\n".join(lines) + "\n")
