"""Look for what keeps a cluster from starting or from working whole, and name the fix of each.

examples:
  pybernetes doctor                 this machine, and the cluster's files if there are any
  pybernetes doctor range           what a finding that `up` names means
  pybernetes doctor -o json

Nothing is changed. The exit code is 1 when something stops a cluster, 0 otherwise.
"""

import argparse
import json

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
    found = [(seen, findings.FINDINGS[seen.finding]) for seen in doctor.examine(patient)]
    if arguments.output == "json":
        rows = [
            {"finding": seen.finding, "seen": seen.text, **row._asdict(), "fix": seen.remedy} for seen, row in found
        ]
        print(json.dumps(rows, indent=2))
    else:
        for seen, row in found:
            mark = "·" if row.cost == findings.NOTED else "✗"
            print(f"{mark} {seen.finding}: {seen.text}\n    {row.meaning}; {row.cost}\n    fix: {seen.remedy}")
        print(f"{sum(map(len, doctor.CHECKS.values()))} checks, {len(found)} findings")
    return int(any(row.cost == findings.STOPS for _, row in found))
