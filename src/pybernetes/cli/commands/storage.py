"""Look after a cluster's store.

`check` reads the whole store, also while the cluster runs, and says what must not be. The exit code is 0 when nothing
is wrong, 1 when something is. With `-o json`: `{"database", "ok", "findings": [{"revision", "key", "problem"}]}`.
"""

import argparse
import dataclasses
import json
import sys

from pybernetes.cli import selection
from pybernetes.storage import check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which cluster's store."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    checking = actions.add_parser("check", help="does the store obey its invariants", description=__doc__)
    selection.add_arguments(checking)
    checking.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")


def run(arguments: argparse.Namespace) -> int:
    """Check it."""
    path = selection.paths(arguments).database
    if not path.exists():
        print(f"no store at {path}: no such cluster, or one with --storage memory", file=sys.stderr)
        return 1
    findings = check.check(path)
    if arguments.output == "json":
        listed = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"database": str(path), "ok": not findings, "findings": listed}, indent=2))
    else:
        for finding in findings:
            print(finding)
        print(f"{path}: {'nothing is wrong' if not findings else f'{len(findings)} problem(s)'}")
    return 1 if findings else 0
