"""Look for what keeps a cluster from starting or from working whole, and name the fix of each.

examples:
  pybernetes doctor                 this machine, and the cluster's files if there are any
  pybernetes doctor range           what a finding that `up` names means
  pybernetes doctor -o json

Nothing is changed. The exit code is 1 when something stops a cluster, 0 otherwise.
"""

import argparse
import json
import sys

from pybernetes.cli import selection
from pybernetes.cluster import doctor, findings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cluster; or which finding."""
    selection.add_arguments(parser)
    parser.add_argument("finding", nargs="?", choices=sorted(findings.FINDINGS), metavar="FINDING", help="explain it")
    parser.add_argument("--kubeconfig", default="", metavar="F", help="the kubeconfig that `up` shall write")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    if arguments.finding:
        row = findings.FINDINGS[arguments.finding]
        print(f"{arguments.finding}: {row.meaning}\n  costs: {row.cost}\n  fix: {row.fix}")
        return 0
    merged = selection.user_kubeconfig(arguments.kubeconfig)
    patient = doctor.Patient(selection.paths(arguments), arguments.name, merged, selection.context_name(arguments.name))
    found = doctor.examine(patient)
    if arguments.output == "json":
        rows = [{"finding": name, "seen": seen, **findings.FINDINGS[name]._asdict()} for name, seen in found]
        json.dump(rows, sys.stdout, indent=2)
        print()
    else:
        for name, seen in found:
            row = findings.FINDINGS[name]
            print(f"✗ {name}: {seen}\n    {row.meaning}: {row.cost}\n    fix: {row.fix}")
        print(f"{len(doctor.CHECKS)} checks, {len(found)} findings")
    return int(any(findings.FINDINGS[name].cost == findings.STOPS for name, _ in found))
