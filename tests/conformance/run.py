"""Runs upstream's conformance suite against a cluster of ours and says how many specs pass, in what time, at what cost.

    scripts/conformance                         # all of it: parallel specs, then the serial ones
    scripts/conformance --sig node --procs 8    # specs of one sig
    scripts/conformance --focus 'Probing'       # specs whose name matches
    scripts/conformance --failed                # those that failed last
    scripts/conformance --json FILE             # the table for machines

Everything is made on the first run and kept in the cache: upstream's suite and the programs of its images (minutes),
the images (a minute). The cluster has two real nodes and is gone afterwards, unless --keep.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import build
import images
import report
import suite

CACHE = build.cache_folder().parent / "conformance"
EXPECTED = {"parallel": "about 12 minutes", "serial": "about 17 minutes"}


class Cluster:
    """A cluster of ours with two real nodes that have the suite's images."""

    def __init__(self, name: str, folder: pathlib.Path) -> None:
        self._name = name
        self._data = folder / "cluster"
        self.kubeconfig = folder / "kubeconfig"

    def start(self, archive: pathlib.Path) -> None:
        """Bring it up, and the images onto its nodes."""
        self._run("up", "--nodes", str(suite.NODES), "--kubeconfig", str(self.kubeconfig), "--port", "0")
        if "/agnhost:" not in self._run("image", "list"):
            say("loading the images on every node")
            self._run("image", "load", str(archive))

    def stop(self) -> None:
        """Remove every trace of it."""
        self._run("down", "--delete")

    def processes(self) -> dict[str, dict[str, float]]:
        """Memory (MiB) and CPU seconds of each of our processes."""
        shown = json.loads(self._run("status", "-o", "json"))
        return {
            one["name"]: {"rss": round(one["rssBytes"] / 2**20), "cpu": round(one["cpuSeconds"], 1)}
            for one in shown["processes"]
        }

    def _run(self, command: str, *arguments: str) -> str:
        whole = [sys.executable, "-m", "pybernetes", command, *arguments]
        whole += ["--name", self._name, "--data-dir", str(self._data)]
        done = subprocess.run(whole, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pybernetes {command} failed")
        return done.stdout


_started = time.monotonic()


def say(text: str) -> None:
    """Progress, with the time since the start; on a terminal it is one line that changes."""
    end = "\r" if sys.stderr.isatty() and "done" in text else "\n"
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
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the table for machines there")
    parser.add_argument("--page", action="store_true", help="write docs/conformance.md")
    parser.add_argument("--cluster", default="suite", metavar="NAME", help="the cluster's name (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running; the next run uses it")
    parser.add_argument("--build", action="store_true", help="only make what is missing, and end")
    return parser.parse_args(arguments)


def prepare() -> pathlib.Path:
    """Everything the suite needs; the archive of its images."""
    for name in (*build.CONFORMANCE, "etcd"):
        if not (build.cache_folder() / name).exists():
            say(f"building {name} (minutes when nothing is cached)")
            build.build(name)
    return images.make(CACHE, say)


def main(arguments: list[str]) -> int:
    """Do it; 0 when every spec that ran passed."""
    chosen = options(arguments)
    archive = prepare()
    if chosen.build:
        return 0
    known = report.load(CACHE / "results.json")
    names: tuple[str, ...] = ()
    if chosen.failed:
        names = tuple(name for name, spec in known.items() if spec.state == "failed")
    elif chosen.sample:
        names = tuple(pathlib.Path(__file__).with_name("sample.txt").read_text().splitlines())
    if (chosen.failed or chosen.sample) and not names:
        say("no spec failed when they ran last")
        return 0
    selection = suite.Selection(chosen.focus, chosen.sig, chosen.skip, names)
    folder = CACHE / chosen.cluster
    folder.mkdir(exist_ok=True)
    cluster = Cluster(chosen.cluster, folder)
    cluster.start(archive)
    specs: list[suite.Spec] = []
    try:
        before, began = cluster.processes(), time.monotonic()
        for phase in ("parallel", "serial"):
            if (phase == "parallel" and chosen.serial) or (phase == "serial" and chosen.parallel):
                continue
            wanted = [name for name in names if ("[Serial]" in name) == (phase == "serial")]
            if names and not wanted:
                continue
            chosen_now = suite.Selection(selection.focus, selection.sig, selection.skip, wanted) if names else selection
            endless = report.hanging(chosen_now.names_in(suite.every_spec(phase == "serial"), phase == "serial"))
            specs += endless
            skip = "|".join(part for part in (chosen_now.skip, *(re.escape(one.name) for one in endless)) if part)
            chosen_now = dataclasses.replace(chosen_now, skip=skip)
            say(f"{phase} specs (all of them take {EXPECTED[phase]} on two cores)")
            specs += suite.run(
                cluster.kubeconfig,
                chosen_now,
                folder / phase,
                procs=chosen.procs,
                serial=phase == "serial",
                say=say,
            )
        seconds, after = time.monotonic() - began, cluster.processes()
    finally:
        if not chosen.keep:
            cluster.stop()
    known.update({spec.name: spec for spec in specs})
    report.save(CACHE / "results.json", known)
    used = report.used(before, after)
    print(report.table(specs, seconds, used))
    print(report.failures(specs))
    if chosen.json:
        chosen.json.write_text(json.dumps(suite.by_sig(specs), indent=2) + "\n")
    if chosen.page:
        report.write_page(specs, seconds, used)
    return int(any(spec.state == "failed" for spec in specs) or not specs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
