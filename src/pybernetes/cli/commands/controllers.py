"""List the controllers: name, alias, and whether `--controllers '*'` includes them.

With `-o json`: `[{"name", "alias", "enabledByDefault"}]`.
"""

import argparse
import json

from pybernetes.controllers import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """In what form."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    rows = sorted(table.CONTROLLERS.items())
    if arguments.output == "json":
        listed = [{"name": name, "alias": row.alias, "enabledByDefault": row.on_by_default} for name, row in rows]
        print(json.dumps(listed, indent=2))
        return 0
    wide, narrow = max(len(name) for name, _ in rows), max(len(row.alias) for _, row in rows)
    print(f"{'NAME':{wide}}  {'ALIAS':{narrow}}  BY DEFAULT")
    for name, row in rows:
        print(f"{name:{wide}}  {row.alias:{narrow}}  {'on' if row.on_by_default else 'off'}")
    return 0
