"""Look after a cluster's store.

`check` reads the whole store, also while the cluster runs, and says what must not be. The exit code is 0 when nothing
is wrong, 1 when something is. With `-o json`: `{"database", "ok", "findings": [{"revision", "key", "problem"}]}`.
`backup` writes a running or stopped cluster into one file, `restore` makes a stopped cluster of it. `migrate` moves a
stopped cluster to another store.
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import sys

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.cli import flags, selection
from pybernetes.cli.output import progress
from pybernetes.cluster import config as configs
from pybernetes.cluster import processes, snapshots
from pybernetes.storage import backend, check

KEPT = ("sqlite", "etcd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which cluster's store."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    checking = actions.add_parser("check", help="does the store obey its invariants", description=__doc__)
    checking.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")
    saving = actions.add_parser("backup", help="write the cluster into a file", description=__doc__)
    restoring = actions.add_parser("restore", help="make a cluster of such a file", description=__doc__)
    migrating = actions.add_parser("migrate", help="move the cluster to another store", description=__doc__)
    for action in (saving, restoring):
        action.add_argument("file", type=pathlib.Path, help="the backup")
    restoring.add_argument("--storage", choices=KEPT, help="where objects will be kept (default: sqlite)")
    migrating.add_argument("--to", dest="storage", choices=KEPT, required=True, help="where objects will be kept")
    for action in (restoring, migrating):
        flags.add_etcd(action)
    for action in (checking, saving, restoring, migrating):
        selection.add_arguments(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    if arguments.action == "check":
        return _check(arguments)
    work = {"backup": _backup, "restore": _restore, "migrate": _migrate}[arguments.action]
    try:
        asyncio.run(work(arguments, selection.paths(arguments), clocks.RealClock()))
    except (configs.ConfigError, backend.StorageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _backup(arguments: argparse.Namespace, paths: configs.Paths, clock: clocks.Clock) -> None:
    shown, config = progress.Progress(clock), selection.existing(paths)
    shown.waiting(f"reading cluster {config.name!r}")
    state = await snapshots.save(config, paths, clock, arguments.file)
    shown.done(f"{len(state.records)} objects at revision {state.revision} are in {arguments.file}")


async def _restore(arguments: argparse.Namespace, paths: configs.Paths, clock: clocks.Clock) -> None:
    shown = progress.Progress(clock)
    shown.waiting(f"reading {arguments.file}")
    saved = snapshots.load(arguments.file)
    config = kept(saved.config, arguments)
    config = msgspec.structs.replace(config, name=arguments.name)
    shown.waiting(f"writing {len(saved.state.records)} objects")
    state = await snapshots.restore(saved, config, paths, clock)
    shown.done(f"{len(state.records)} objects are in {paths.root}; `pybernetes up` starts the cluster")


async def _migrate(arguments: argparse.Namespace, paths: configs.Paths, clock: clocks.Clock) -> None:
    shown, config = progress.Progress(clock), selection.existing(paths)
    if processes.Processes(paths, clock).running():
        raise configs.ConfigError("the cluster is running; `pybernetes down` stops it")
    wanted = kept(config, arguments)
    wanted.check()
    if (wanted.storage, wanted.etcd) == (config.storage, config.etcd):
        raise configs.ConfigError("the cluster's objects are there already")
    shown.waiting("reading")
    state = await snapshots.read(config, paths, clock)
    shown.waiting(f"writing {len(state.records)} objects")
    await snapshots.write(wanted, paths, clock, state)
    configs.save(paths, wanted)
    if config.storage == "sqlite":
        old = paths.database.with_suffix(".db.old")
        paths.database.rename(old)
        shown.note(f"the old store is {old} now")
    shown.done(f"moved {len(state.records)} objects from {config.storage} to {wanted.storage}")


def kept(config: configs.ClusterConfig, arguments: argparse.Namespace) -> configs.ClusterConfig:
    """The configuration with the store that the flags name, by default a file of its own."""
    distant = flags.distant(arguments)
    storage = arguments.storage or ("etcd" if distant is not None else "sqlite")
    return msgspec.structs.replace(config, storage=storage, etcd=distant)


def _check(arguments: argparse.Namespace) -> int:
    path = selection.paths(arguments).database
    if not path.exists():
        print(f"no store at {path}: no such cluster, or one with --storage memory or etcd", file=sys.stderr)
        return 1
    findings = check.check(path)
    if arguments.output == "json":
        listed = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"database": str(path), "ok": not findings, "findings": listed}, indent=2))
    else:
        for finding in findings:
            print(finding)
        said = f"{len(findings)} problem(s): the store is damaged, restore a backup" if findings else "nothing is wrong"
        print(f"{path}: {said}")
    return 1 if findings else 0
