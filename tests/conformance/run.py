"""Runs upstream's conformance suite against a cluster of ours and says how many specs pass, in what time, at what cost.

    scripts/conformance                         # all of it: parallel specs, then the serial ones
    scripts/conformance --sig node --procs 8    # specs of one sig
    scripts/conformance --focus 'Probing'       # specs whose name matches
    scripts/conformance --failed                # those that failed last
    scripts/conformance --compare               # on ours, then on upstream's own programs: ratios of time, CPU, memory
    scripts/conformance --json FILE             # the table for machines

Everything is made on the first run and kept in the cache: upstream's suite and the programs of its images (minutes),
the images (a minute). The cluster has two real nodes and is gone afterwards, unless --keep.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import build
import clusters
import images
import registry
import report
import suite
import upstream_cluster

CACHE = build.cache_folder().parent / "conformance"
SAMPLE = pathlib.Path(__file__).with_name("sample.txt")
EXPECTED = {"parallel": "about 12 minutes", "serial": "about 17 minutes"}

_started = time.monotonic()


def say(text: str) -> None:
    """Progress, with the time since the start; on a terminal it is one line that changes."""
    end = "\r" if sys.stderr.isatty() and "specs done" in text else "\n"
    if end == "\n" and "specs done" in text:
        return
    print(f"[{time.monotonic() - _started:5.0f} s] {text}", file=sys.stderr, end=end, flush=True)


def options(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sig", default="", help="only specs of this sig, e.g. node or api-machinery")
    parser.add_argument("--focus", default="", metavar="REGEX", help="only specs whose name matches")
    parser.add_argument("--skip", default="", metavar="REGEX", help="none whose name matches")
    parser.add_argument("--failed", action="store_true", help="only those that failed when they ran last")
    parser.add_argument("--sample", action="store_true", help="only the specs of sample.txt, for CI")
    parser.add_argument("--serial", action="store_true", help="only the serial specs")
    parser.add_argument("--parallel", action="store_true", help="only the others")
    parser.add_argument("--procs", type=int, default=12, metavar="N", help="processes side by side (default: 12)")
    parser.add_argument("--stall", type=float, default=900, metavar="SECONDS", help="cut specs when none ends so long")
    parser.add_argument("--upstream", action="store_true", help="run on upstream's own programs instead of ours")
    parser.add_argument("--compare", action="store_true", help="run on ours, then on upstream's, and compare")
    parser.add_argument("--containerd", type=pathlib.Path, metavar="PATH", help="another containerd than Debian's")
    parser.add_argument("--cluster", default="suite", metavar="NAME", help="the cluster's name (default: suite)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the table for machines there")
    parser.add_argument("--page", action="store_true", help="write docs/conformance.md")
    parser.add_argument("--keep", action="store_true", help="leave our cluster running; the next run uses it")
    parser.add_argument("--build", action="store_true", help="only make what is missing, and end")
    return parser.parse_args(arguments)


def prepare(nodes: bool) -> pathlib.Path:
    """Everything the suite needs; the archive of its images. `nodes`: what upstream's own cluster needs, too."""
    wanted = [*build.CONFORMANCE, "etcd", *((*build.PROGRAMS, *build.NODE) if nodes else ())]
    for number, name in enumerate(wanted):
        if not (build.cache_folder() / name).exists():
            say(f"building {name}, {number + 1} of {len(wanted)} (1 to 5 minutes each when nothing is cached)")
            build.build(name)
    return images.make(CACHE, say)


def sit(
    cluster: clusters.Cluster, archive: pathlib.Path, selection: suite.Selection, chosen: argparse.Namespace
) -> report.Sitting:
    """Bring the cluster up, run the specs on it, take it down."""
    specs: list[suite.Spec] = []
    problems: list[tuple[float, str]] = []
    there = cluster.remains()
    say(f"starting the cluster ({cluster.title}) and loading images on its nodes (about a minute)")
    cluster.folder.mkdir(parents=True, exist_ok=True)
    stack = contextlib.ExitStack()
    try:
        cluster.start(archive)
        before, began = cluster.processes(), time.monotonic()
        stack.enter_context(registry.serving(archive, cluster.config.node_address(1), cluster.runtimes()))
        for phase in ("parallel", "serial"):
            if (phase == "parallel" and chosen.serial) or (phase == "serial" and chosen.parallel):
                continue
            runner = suite.Runner(
                cluster.kubeconfig, cluster.folder / phase, chosen.procs, chosen.stall, say, cluster.problem
            )
            narrowed = selection
            if selection.names:
                names = [name for name in selection.names if ("[Serial]" in name) == (phase == "serial")]
                narrowed = suite.Selection(names=names, skip=selection.skip)
                if not names:
                    continue
            if isinstance(cluster, clusters.Ours):
                endless = report.hanging(narrowed.choose(suite.every_spec(phase == "serial"), phase == "serial"))
                specs += endless
                skip = "|".join(part for part in (narrowed.skip, *(re.escape(one.name) for one in endless)) if part)
                narrowed = dataclasses.replace(narrowed, skip=skip)
            say(f"{phase} specs (all of them take {EXPECTED[phase]} on two cores)")
            ran, found = runner.run(narrowed, phase == "serial")
            specs += ran
            problems += found
        seconds, after = time.monotonic() - began, cluster.processes()
        if problem := cluster.problem():
            problems.append((time.time(), problem))
        trouble = cluster.trouble()
    finally:
        stack.close()
        if not chosen.keep or isinstance(cluster, upstream_cluster.Upstream):
            say("taking the cluster down")
            cluster.stop()
    remains = [] if chosen.keep else [one for one in cluster.remains() if one not in there]
    first = {text: moment for moment, text in reversed(problems)}
    breaks = [(text, suite.suspects(specs, moment)) for text, moment in first.items()]
    return report.Sitting(
        cluster.title, specs, seconds, report.used(before, after), breaks=breaks, trouble=trouble, remains=remains
    )


def select(chosen: argparse.Namespace, known: dict[str, suite.Spec]) -> suite.Selection | None:
    """Which specs were asked for; None when there are none."""
    names: tuple[str, ...] = ()
    if chosen.failed:
        names = tuple(name for name, spec in known.items() if spec.state == "failed")
    elif chosen.sample:
        names = tuple(line for line in SAMPLE.read_text().splitlines() if line and not line.startswith("#"))
    wanted = suite.Selection(chosen.focus, chosen.sig, chosen.skip)
    if not (chosen.failed or chosen.sample):
        return wanted
    names = (*wanted.choose(names, serial=False), *wanted.choose(names, serial=True))
    return dataclasses.replace(wanted, names=names) if names else None


def main(arguments: list[str]) -> int:
    """Do it; 0 when every spec that ran passed."""
    chosen = options(arguments)
    if chosen.containerd:
        os.environ["PATH"] = f"{chosen.containerd.resolve().parent}:{os.environ['PATH']}"
    archive = prepare(chosen.upstream or chosen.compare)
    if chosen.build:
        return 0
    folder = CACHE / chosen.cluster
    known = report.load(CACHE / "results.json")
    selection = select(chosen, known)
    if selection is None:
        say("no such spec failed when they ran last")
        return 0
    sittings = []
    if not chosen.upstream:
        ours = sit(clusters.Ours(chosen.cluster, folder), archive, selection, chosen)
        sittings.append(ours)
        known.update({spec.name: spec for spec in ours.specs})
        report.save(CACHE / "results.json", known)
    if chosen.upstream or chosen.compare:
        theirs = upstream_cluster.Upstream(f"{chosen.cluster}-up", folder / "upstream")
        sittings.append(sit(theirs, archive, selection, chosen))
    if chosen.page and not chosen.upstream:
        report.write_page(*sittings)
    for one in sittings:
        print(report.text(one))
    if chosen.compare:
        print(report.comparison(*sittings))
    if chosen.json:
        tables = {one.title: suite.by_sig(one.specs) for one in sittings}
        document = {**tables, "ratios": report.ratios(*sittings)} if chosen.compare else tables[sittings[0].title]
        chosen.json.write_text(json.dumps(document, indent=2) + "\n")
    if selection.names and not chosen.upstream:
        unknown = set(selection.names) - {spec.name for spec in sittings[0].specs}
        for name in sorted(unknown):
            print(f"did not run: {name}")
    print(report.closing(sittings[0]))
    return int(not sittings[0].good)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except build.BuildError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
