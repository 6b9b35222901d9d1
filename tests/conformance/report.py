"""What is said about a run: tables, the page docs/conformance.md, and the results that are kept between runs."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import clusters
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

Used = clusters.Used


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
        name: {"rss": now["rss"], "cpu": round(max(0.0, now["cpu"] - before.get(name, {"cpu": 0.0})["cpu"]), 1)}
        for name, now in after.items()
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Sitting:
    """A run on one cluster.

    `seconds` is its wall time; `breaks` are moments when the cluster could not run specs, with those that ran then;
    `trouble` is what its logs hold, `remains` what was left of it afterwards.
    """

    title: str
    specs: Sequence[suite.Spec]
    seconds: float
    processes: Used
    breaks: Sequence[tuple[str, Sequence[str]]] = ()
    trouble: Sequence[str] = ()
    remains: Sequence[str] = ()

    def count(self, state: str) -> int:
        """How many specs ended so."""
        return sum(spec.state == state for spec in self.specs)

    @property
    def good(self) -> bool:
        """Whether something ran, all of it passed, and nothing is left."""
        return bool(self.specs) and not self.count("failed") and not self.remains

    def total(self, what: str, runtimes: bool) -> float:
        """Sum over its processes, with or without the containers' runtimes."""
        return sum(
            one[what] for name, one in self.processes.items() if runtimes or not name.startswith(clusters.RUNTIME)
        )


def table(sitting: Sitting) -> str:
    """Results by sig beside upstream's, and what the processes used."""
    lines = ["| sig | passed | failed | seconds | upstream passed | upstream seconds |", "|---|---|---|---|---|---|"]
    rows = suite.by_sig(sitting.specs)
    for sig, row in rows.items():
        theirs = UPSTREAM.get(sig, (0, 0))
        lines.append(
            f"| {sig} | {row['passed']:.0f} | {row['failed']:.0f} | {row['seconds']:.0f} | {theirs[0]} | {theirs[1]} |"
        )
    total = sum(row["seconds"] for row in rows.values())
    theirs_passed, theirs_seconds = (sum(one[index] for one in UPSTREAM.values()) for index in (0, 1))
    counts = f"{sitting.count('passed')} | {sitting.count('failed')}"
    lines.append(f"| all | {counts} | {total:.0f} | {theirs_passed} | {theirs_seconds} |")
    lines += ["", f"Wall time {sitting.seconds:.0f} s.", ""]
    lines += ["| process | MiB at the end | CPU seconds |", "|---|---|---|"]
    lines += [f"| {name} | {one['rss']:.0f} | {one['cpu']:.1f} |" for name, one in sitting.processes.items()]
    for runtimes, name in ((False, "components together"), (True, "with the runtimes")):
        lines.append(f"| {name} | {sitting.total('rss', runtimes):.0f} | {sitting.total('cpu', runtimes):.0f} |")
    return "\n".join(lines)


def text(sitting: Sitting) -> str:
    """All that is said about a run on a terminal."""
    lines = [f"\n{sitting.title}:\n", table(sitting), failures(sitting.specs)]
    for problem, names in sitting.breaks:
        lines.append(f"BROKEN {problem}; these specs ran then:")
        lines += [f"       {name}" for name in names]
    lines += [f"LOG    {one}" for one in sitting.trouble]
    lines += [f"LEFT   {one}" for one in sitting.remains]
    return "\n".join(line for line in lines if line)


def closing(sitting: Sitting) -> str:
    """The last line."""
    more = "".join(
        f", {len(found)} {what}"
        for what, found in (("tracebacks in the logs", sitting.trouble), ("things left behind", sitting.remains))
        if found
    )
    return f"{sitting.count('passed')} passed, {sitting.count('failed')} failed{more}"


def figures(ours: Sitting, theirs: Sitting) -> dict[str, tuple[float, float]]:
    """What is compared: ours and theirs."""
    both = {one.name for one in ours.specs if one.state == "passed"}
    both &= {one.name for one in theirs.specs if one.state == "passed"}
    found = {
        "wall seconds of the run": (ours.seconds, theirs.seconds),
        f"seconds of the {len(both)} specs that pass on both": (
            sum(one.seconds for one in ours.specs if one.name in both),
            sum(one.seconds for one in theirs.specs if one.name in both),
        ),
    }
    for what, title in (("cpu", "CPU seconds of the components"), ("rss", "MiB of the components after the run")):
        for runtimes, more in ((False, ""), (True, " with containerd")):
            found[title + more] = (ours.total(what, runtimes), theirs.total(what, runtimes))
    return found


def ratios(ours: Sitting, theirs: Sitting) -> dict[str, float]:
    """Ours for each of theirs."""
    return {name: round(one / other, 2) if other else 0.0 for name, (one, other) in figures(ours, theirs).items()}


def comparison(ours: Sitting, theirs: Sitting) -> str:
    """The table of ours beside theirs."""
    lines = ["", "| | ours | upstream | ratio |", "|---|---|---|---|"]
    for name, (one, other) in figures(ours, theirs).items():
        lines.append(f"| {name} | {one:.0f} | {other:.0f} | {ratios(ours, theirs)[name]:.2f} |")
    slower = sorted(
        (one.seconds - other.seconds, one, other)
        for one in ours.specs
        for other in theirs.specs
        if one.name == other.name and one.state == other.state == "passed"
    )[-5:]
    lines += ["", "Slowest beside upstream's:"]
    lines += [f"- {one.seconds:.1f} s, {other.seconds:.1f} s: {one.name}" for _, one, other in reversed(slower)]
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


PREFACE = """# Conformance

Upstream's own conformance suite, 462 specs, against a cluster of two real nodes.

```sh
scripts/conformance                     # all of it; half an hour on two cores
scripts/conformance --sig network       # or --focus REGEX, --skip REGEX, --serial, --parallel, --failed
scripts/conformance --sample            # 83 fast specs of every sig: what CI runs
scripts/conformance --compare           # the same specs on ours and on upstream's programs: time, CPU, memory
scripts/conformance --page              # all of it, and writes this page
```

It needs root, and Go. The first run builds the suite and the programs of its images from upstream's modules, and puts
the images together from those and Debian's packages; they are kept in `~/.cache/pybernetes`. `--compare` and
`--upstream` build upstream's components too, and run them on nodes of the same kind: same links and routes, same
containerd. JUnit reports are in folders `parallel` and `serial` there, under the cluster's name (`--cluster`);
`--json FILE` writes the results by sig. Specs of which none ends for a quarter of an hour (`--stall`) are cut and count
as failed; the others go on. The run also says when the cluster could not run specs and which ran then, what tracebacks
are in its logs, and what it left on the machine.
"""


def write_page(sitting: Sitting, theirs: Sitting | None = None) -> None:
    """docs/conformance.md: the table of the last whole run, and the specs that fail, each with what is missing."""
    why = {**reasons(), **reasons(HANGS)}
    failed = sorted(spec.name for spec in sitting.specs if spec.state == "failed")
    lines = [PREFACE, "## The last whole run", "", "Upstream's figures are those of its own programs on such machines."]
    lines += ["", table(sitting), ""]
    if theirs is not None:
        failed_there = theirs.count("failed")
        lines += [f"## Beside upstream's programs: {theirs.count('passed')} passed, {failed_there} failed"]
        lines += [comparison(sitting, theirs), ""]
    lines += [f"## Specs that fail: {len(failed)}", ""]
    for name in failed:
        reason = next((text for part, text in why.items() if part in name), "not looked at yet")
        lines.append(f"- {name}: {reason}")
    if sitting.trouble:
        lines += ["", "## Tracebacks in its logs", "", *(f"- {one}" for one in sitting.trouble)]
    PAGE.write_text("\n".join(lines) + "\n")
