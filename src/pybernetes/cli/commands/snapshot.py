"""Save a running cluster's state under a name; begin a new cluster with it: `pybernetes up --from SNAPSHOT`.

A snapshot holds every object, the cluster's configuration and its keys: whoever can read the file is its administrator.
"""

import argparse
import asyncio
import datetime
import re
import sys

from pybernetes.aio import clock as clocks
from pybernetes.cli import selection
from pybernetes.cli.output import progress
from pybernetes.cluster import config as configs
from pybernetes.cluster import snapshots
from pybernetes.storage import backend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which cluster's snapshots."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, text in (
        ("save", "save the cluster's state as it is now"),
        ("list", "list the snapshots"),
        ("delete", "delete one"),
    ):
        one = actions.add_parser(action, help=text, description=__doc__)
        if action != "list":
            given = {"nargs": "?", "default": ""} if action == "save" else {}
            one.add_argument("snapshot", help="its name (save: the time by default)", **given)  # type: ignore[arg-type]
        selection.add_arguments(one)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    paths = selection.paths(arguments)
    try:
        if arguments.action == "save":
            return asyncio.run(_save(paths, arguments.snapshot))
        if arguments.action == "list":
            return _list(paths)
        snapshots.find(arguments.snapshot, paths).unlink()
        return 0
    except (configs.ConfigError, backend.StorageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


async def _save(paths: configs.Paths, name: str) -> int:
    clock = clocks.RealClock()
    shown, config = progress.Progress(clock), selection.existing(paths)
    name = name or clock.now().strftime("%Y%m%d-%H%M%S")
    if not re.fullmatch(r"[a-zA-Z0-9][-_.a-zA-Z0-9]*", name):
        raise configs.ConfigError(f"snapshot {name!r}: use letters, digits, dashes, dots")
    path = paths.snapshot(name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    shown.waiting("saving")
    state = await snapshots.save(config, paths, clock, path)
    shown.done(f"saved {len(state.records)} objects at revision {state.revision} in {path}")
    print(f"{config.name}/{name}")
    return 0


def _list(paths: configs.Paths) -> int:
    selection.existing(paths)
    print(f"{'NAME':30} {'SAVED':25} SIZE")
    example = paths.snapshot("")
    for path in sorted(example.parent.glob(f"*{example.name}")):
        saved = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).isoformat(timespec="seconds")
        print(f"{path.name.removesuffix(example.name):30} {saved:25} {path.stat().st_size}")
    return 0
