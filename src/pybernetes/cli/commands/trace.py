"""Show an object's way through every component as a timeline, step by step as docs/journey.md numbers them.

examples:
  pybernetes trace -f examples/replicaset.yaml            apply it, and show how it came to run
  pybernetes trace -f examples/replicaset.yaml --journey  then lose a Pod, scale down, and delete it again
  pybernetes trace rs/web --follow                        an object that is there, until Ctrl-C
  pybernetes trace -f FILE --journey -o json > record     a line of JSON for each step, and what was recorded
  pybernetes trace check record                           does it obey the invariants of the journey

The exit code is 0 when every step came, 1 when one is missing.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import sys
from typing import Any

import yaml

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.cli import launch, selection
from pybernetes.cli.journey import invariants, page, recorder, story
from pybernetes.cli.journey import steps as table
from pybernetes.cli.output import progress
from pybernetes.client import rest, transport
from pybernetes.cluster import config as configs
from pybernetes.cluster import tracing
from pybernetes.telemetry import traces

Object = dict[str, Any]

SHORT = {"rs": "ReplicaSet", "replicaset": "ReplicaSet", "deploy": "Deployment", "deployment": "Deployment"}
SHORT |= {"pod": "Pod", "po": "Pod", "svc": "Service", "service": "Service", "rc": "ReplicationController"}
QUIET = 1.5
"""Seconds after which nothing more comes of what has settled."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to follow, how to show it."""
    selection.add_arguments(parser)
    parser.add_argument("target", nargs="*", metavar="KIND/NAME", help="an object that is there, or: check FILE")
    parser.add_argument("-f", "--filename", type=pathlib.Path, metavar="FILE", help="apply this manifest")
    parser.add_argument("-n", "--namespace", default="default", help="its namespace (default: %(default)s)")
    parser.add_argument(
        "--journey", action="store_true", help="go on: a Pod is deleted, fewer are wanted, all is deleted"
    )
    parser.add_argument("--follow", action="store_true", help="show what comes until Ctrl-C")
    parser.add_argument("--all", action="store_true", help="show a step again each time it is taken again")
    parser.add_argument("--explain", action="store_true", help="print each step's sentence")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")
    parser.add_argument("--html", type=pathlib.Path, metavar="FILE", help="write a page for a browser as well")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds for each part (default: 60)")


def run(arguments: argparse.Namespace) -> int:
    """Follow it, or check what was recorded."""
    try:
        if arguments.target[:1] == ["check"]:
            return _check(arguments.target[1:])
        return asyncio.run(_Trace(arguments).run())
    except (configs.ConfigError, errors.StatusError, transport.TransportError, UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


class UsageError(Exception):
    """What was asked for cannot be done; the text says why."""


def _check(files: list[str]) -> int:
    if len(files) != 1:
        raise UsageError("trace check takes one file, as `trace -o json` wrote it")
    records = None
    for line in _text(pathlib.Path(files[0])).splitlines():
        try:
            records = json.loads(line).get("records") or records
        except (ValueError, AttributeError) as error:
            raise UsageError(f"{files[0]} is not what `trace -o json` writes: {error}") from error
    if records is None:
        raise UsageError(f"{files[0]} has no records: it is not whole")
    changes = [invariants.Change(one["type"], one["object"], recorder.moment(one["at"])) for one in records["pods"]]
    rest_of_it = (records[name] for name in ("audit", "events", "log", "cri", "wanted"))
    broken = invariants.check(invariants.Journey(changes, *rest_of_it))
    print("\n".join(broken) if broken else "all invariants hold")
    return int(bool(broken))


def _text(path: pathlib.Path) -> str:
    """What is in a file. Raises UsageError."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


class _Trace:
    """One use of the command."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._given = arguments
        self._paths = selection.paths(arguments)
        selection.existing(self._paths)
        self._clock = clocks.RealClock()
        self._shown = progress.Progress(self._clock)
        self._manifests = self._read()
        self._heard: list[traces.Step] = []
        self._expected: list[int] = [*table.ONCE, *table.APPLY, 38]
        self._offsets: dict[pathlib.Path, int] = {}
        self._wanted = 1

    def _read(self) -> list[Object]:
        if self._given.filename is None:
            if len(self._given.target) != 1 or "/" not in self._given.target[0]:
                raise UsageError("name an object as KIND/NAME, or a manifest with -f FILE")
            return []
        text = _text(self._given.filename)
        try:
            found = [one for one in yaml.safe_load_all(text) if one]
        except yaml.YAMLError as error:
            raise UsageError(f"{self._given.filename} is not YAML: {error}") from error
        for one in found:
            if not (isinstance(one, dict) and one.get("kind") and (one.get("metadata") or {}).get("name")):
                raise UsageError(f"{self._given.filename} holds something that has no kind or no name")
        return found

    def _roots(self) -> set[tuple[str, str]]:
        if self._manifests:
            return {(one["kind"], one["metadata"]["name"]) for one in self._manifests}
        kind, _, name = self._given.target[0].partition("/")
        return {(SHORT.get(kind.lower(), kind), name)}

    async def run(self) -> int:
        async with launch.client(self._paths, self._clock) as client:
            return await self._show(client)

    async def _show(self, client: rest.Client) -> int:
        record = recorder.Recorder(client, self._clock, self._given.namespace, self._roots())
        for log in self._logs():
            self._offsets[log] = log.stat().st_size
        async with tasks.TaskGroup("trace") as group, tracing.Collector(self._paths) as collector:
            group.start(self._hear(collector), "steps")
            await record.start(group)
            came = await self._follow(client, record)
            # the last Events and steps are still under way
            await self._clock.sleep(QUIET)
            told = story.tell(self._heard, record.related, record.uids, record.about)
            await group.cancel()
        self._print(told, record)
        return self._judge(told, collector.processes, came)

    async def _hear(self, collector: tracing.Collector) -> None:
        while True:
            self._heard.append(await collector.steps.get())

    def _logs(self) -> list[pathlib.Path]:
        logs = [self._paths.audit_log, self._paths.log("control-plane")]
        return [path for path in (*logs, *self._paths.root.glob("nodes/*/containerd/containerd.log")) if path.exists()]

    async def _follow(self, client: rest.Client, record: recorder.Recorder) -> bool:
        for obj in self._manifests:
            await self._apply(client, obj)
        if self._given.follow:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return True
        self._shown.waiting("until it runs")
        if not await record.until(recorder.has_settled, self._given.timeout):
            return False
        self._shown.done("it runs")
        if not any(kind == "Service" for kind, _ in record.objects):
            self._wanted = len(record.of("Pod"))
        return await self._end(client, record) if self._given.journey else True

    async def _apply(self, client: rest.Client, obj: Object) -> None:
        name, resource = obj["metadata"]["name"], client.dynamic(obj["apiVersion"], obj["kind"])
        here = f"{_Trace.__module__.removeprefix('pybernetes.')}:_Trace._apply"
        key = f"{self._given.namespace}/{name}"
        self._heard.append(
            traces.Step(6, self._clock.now().timestamp(), table.CLIENT, here, "cli/commands/trace.py", key)
        )
        await resource.patch(
            name, obj, self._given.namespace, type="apply", field_manager="pybernetes-trace", force=True
        )

    async def _end(self, client: rest.Client, record: recorder.Recorder) -> bool:
        """Steps 29 to 37: lose a Pod, want fewer, want none."""
        self._expected += [*table.END, *table.SCALE, *table.DELETE]
        self._expected.remove(38)
        self._expected.append(38)
        pods, space, seconds = client.dynamic("v1", "Pod"), self._given.namespace, self._given.timeout
        victim = record.of("Pod")[0]["metadata"]["name"]
        await pods.delete(victim, space)
        self._shown.waiting(f"until {victim} is replaced")
        if not await record.until(
            lambda now: ("Pod", victim) not in now.objects and recorder.has_settled(now), seconds
        ):
            return False
        self._shown.done("a Pod was lost and replaced")
        for kind in ("Deployment", "ReplicaSet", "ReplicationController"):
            for obj in record.of(kind):
                if not obj["metadata"].get("ownerReferences"):
                    await self._scale_and_delete(client, record, obj)
        self._shown.waiting("until it is gone")
        done = await record.until(recorder.is_gone, seconds)
        self._shown.done("it is gone")
        return done

    async def _scale_and_delete(self, client: rest.Client, record: recorder.Recorder, obj: Object) -> None:
        resource, name = client.dynamic(obj["apiVersion"], obj["kind"]), obj["metadata"]["name"]
        fewer = max(0, obj["spec"].get("replicas", 1) - 1)
        await resource.patch(name, {"spec": {"replicas": fewer}}, self._given.namespace, subresource="scale")
        await record.until(lambda now: recorder.has_settled(now) and len(now.of("Pod")) == fewer, self._given.timeout)
        self._shown.done("one fewer")
        await resource.delete(name, self._given.namespace, propagation="Foreground")

    def _print(self, told: list[story.Line], record: recorder.Recorder) -> None:
        if self._given.html is not None:
            title = " and ".join(f"{kind} {name}" for kind, name in sorted(self._roots()))
            self._given.html.write_text(page.write(title, told))
        if self._given.output == "json":
            for line in told:
                print(json.dumps(line.document()))
            print(json.dumps({"records": self._records(record)}))
            return
        began = next((line.step.time for line in told if line.step.n not in table.ONCE), 0.0)
        for line in told if self._given.all else story.first_times(told):
            print(story.text(line, began, explain=self._given.explain))

    def _records(self, record: recorder.Recorder) -> Object:
        written = {path: self._since(path) for path in self._logs()}
        runtime = [line for path, lines in written.items() if path.name == "containerd.log" for line in lines]
        return {
            "pods": [{"type": one.type, "object": one.object, "at": one.at.isoformat()} for one in record.pods],
            "audit": [json.loads(line) for line in written.get(self._paths.audit_log, ())],
            "events": record.events,
            "log": written.get(self._paths.log("control-plane"), []),
            "cri": runtime,
            "wanted": self._wanted,
        }

    def _since(self, path: pathlib.Path) -> list[str]:
        with path.open(errors="replace") as file:
            file.seek(self._offsets.get(path, 0))
            return file.read().splitlines()

    def _judge(self, told: list[story.Line], processes: tuple[str, ...], came: bool) -> int:
        if self._given.follow or not self._manifests:
            return 0
        absent = story.missing(told, self._expected)
        for number in absent:
            row = table.STEPS[number]
            line = f"step {number} is missing: {row.component or 'a component'}: {row.sentence} ({row.upstream})"
            if row.component and row.component not in (*processes, table.CLIENT):
                line += f"; {row.component} does not run"
            print(line, file=sys.stderr)
            if not came:
                break
        if not came and not absent:
            print("every step came, but not everything is ready", file=sys.stderr)
        return int(bool(absent) or not came)
