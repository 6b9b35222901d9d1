"""Compares our API server with upstream's in one run: requests for each CPU second, start time, memory.

    python tests/bench/run.py                     # both servers, every phase, reads four seconds each
    python tests/bench/run.py --only theirs --seconds 2
    python tests/bench/run.py -k watch            # phases whose name contains "watch"
    python tests/bench/run.py --json FILE         # the figures for machines too

Absolute figures belong to the machine; the column `ours/theirs` is what to trust. With two or more CPUs the servers are
pinned to the first one once they are ready.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import sys
from contextlib import AbstractContextManager

import uvloop

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import peer
import peer_phases
import peer_processes

STATE = ("start to ready, s", "RSS after start, MiB", "RSS with 1,000 pods, MiB", "RSS at the end, MiB")


def measure(
    server: AbstractContextManager[peer.Started], options: argparse.Namespace, cpu: int | None
) -> tuple[dict[str, float], list[peer_phases.Result]]:
    """Starts one server and runs the phases against it: figures about its state, results of the phases."""
    with server as started:
        target = started.target
        state = {STATE[0]: started.seconds, STATE[1]: peer_processes.rss_mib(target.pids)}
        print(f"{target.name}: ready after {started.seconds:.2f} s, {state[STATE[1]]:.0f} MiB", flush=True)
        results = []
        if cpu is not None:
            peer_processes.pin(target.pids, cpu)
        uvloop.run(peer_phases.prepare(target))
        state[STATE[2]] = peer_processes.rss_mib(target.pids)
        for phase in peer_phases.phases():
            if options.pattern in phase.name:
                results.append(uvloop.run(peer_phases.run_phase(target, phase, options.seconds)))
                show(target.name, results[-1])
        if options.pattern in "watch fan-out, 100 watchers":
            results.append(uvloop.run(peer_phases.run_watch(target)))
            show(target.name, results[-1])
        state[STATE[3]] = peer_processes.rss_mib(target.pids)
    return state, results


def show(name: str, result: peer_phases.Result) -> None:
    """One line as soon as a phase has ended."""
    each = result.cpu / max(result.done, 1) * 1000
    line = f"{name}: {result.phase}: {result.done / result.seconds:,.0f}/s, {each:.3f} ms CPU each"
    failures = f", failures {result.failures}" if result.failures else ""
    print(f"{line}, p50 {result.median_ms:.2f} ms{failures}", flush=True)


def report(measured: dict[str, tuple[dict[str, float], list[peer_phases.Result]]]) -> None:
    """The table: one line for each phase, then the figures about state."""
    results = {name: {one.phase: one for one in found} for name, (_, found) in measured.items()}
    both = len(measured) == 2
    print(f"\n{'requests per server CPU second':44}" + "".join(f"{name:>12}" for name in measured), end="")
    print(f"{'ours/theirs':>14}" if both else "")
    for phase in next(iter(results.values())):
        figures = [found[phase].per_cpu_second for found in results.values()]
        print(f"{phase:44}" + "".join(f"{one:12,.1f}" for one in figures), end="")
        print(f"{figures[0] / figures[1]:14.3f}" if both else "")
    for line in STATE:
        figures = [state[line] for state, _ in measured.values()]
        print(f"{line:44}" + "".join(f"{one:12,.2f}" for one in figures), end="")
        print(f"{figures[0] / figures[1]:14.3f}" if both else "")


def main(arguments: list[str]) -> int:
    """Measures what is asked for and prints the comparison."""
    parser = argparse.ArgumentParser(description="Compare our API server with upstream's.")
    parser.add_argument("--only", choices=("ours", "theirs"))
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each reading phase")
    parser.add_argument("-k", dest="pattern", default="", help="only phases whose name contains this")
    parser.add_argument("--no-pin", action="store_true", help="let servers use all CPUs")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures here")
    options = parser.parse_args(arguments)
    cpus = sorted(os.sched_getaffinity(0))
    cpu = None if options.no_pin or len(cpus) < 2 else cpus[0]
    measured = {}
    for name, start in (("ours", peer.ours), ("theirs", peer.theirs)):
        if options.only in (None, name):
            measured[name] = measure(start(), options, cpu)
    report(measured)
    if options.json:
        plain = {
            name: {"state": state, "phases": [dataclasses.asdict(one) for one in results]}
            for name, (state, results) in measured.items()
        }
        options.json.write_text(json.dumps(plain, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
