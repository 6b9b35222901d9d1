"""The steps of one object out of all that were heard: in order, with what led to each and what came of it. Pure."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pybernetes.cli.journey import steps as table
from pybernetes.telemetry import traces

Events = Callable[[str], Sequence[dict[str, Any]]]


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One step of the story."""

    step: traces.Step
    event: str = ""
    uid: str = ""

    @property
    def row(self) -> table.Row:
        """What docs/journey.md says of it."""
        return table.STEPS[self.step.n]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        step, row = self.step, self.row
        return {
            "n": step.n,
            "time": round(step.time, 6),
            "component": step.component,
            "function": step.function,
            "source": step.source,
            "upstream": row.upstream,
            "trigger": row.trigger,
            "object": step.object,
            "uid": self.uid,
            "rv": step.rv,
            "change": row.change,
            "note": step.note,
            "event": self.event,
            "sentence": row.sentence,
        }


def key_of(step: traces.Step) -> str:
    """`namespace/name` of the object; steps in the store name it by its key there."""
    return "/".join(step.object.split("/")[-2:]) if step.object.startswith("/registry/") else step.object


def tell(heard: Iterable[traces.Step], related: set[str], uids: dict[str, str], events: Events) -> list[Line]:
    """The story: related steps in order of time, those without an object where they fall in between, starts first."""
    by_key = {key: uid for uid, key in uids.items()}
    ordered = sorted(heard, key=lambda step: step.time)
    mine = [step for step in ordered if key_of(step) in related]
    if not mine:
        return []
    first, last = mine[0].time, mine[-1].time
    controllers = {step.note for step in mine if step.n == 10}
    told: list[Line] = []
    used: set[str] = set()
    for step in ordered:
        key = key_of(step)
        if step.n in table.ONCE:
            if not step.object or any(step.object.startswith(name) for name in controllers):
                told.append(Line(step))
        elif key in related:
            told.append(Line(step, _event(step, key, events, used), by_key.get(key, "")))
        elif not step.object and first <= step.time <= last:
            told.append(Line(step))
    return _with_silence(told)


def _event(step: traces.Step, key: str, events: Events, used: set[str]) -> str:
    reasons = table.REASONS.get(step.n, ())
    about = key.rpartition("-")[0] if step.n == 35 else key
    found = [one for one in events(about) if one["reason"] in reasons and one["metadata"]["uid"] not in used]
    if step.n in (15, 35):
        # the owner has one for each of its Pods
        found = found[:1]
    used.update(one["metadata"]["uid"] for one in found)
    return "; ".join(f"{one['reason']}: {one['message']}" for one in found)


def _with_silence(told: list[Line]) -> list[Line]:
    """The steps in which nothing happens stand where something could have: a Pod is queued, fewer are wanted."""
    last_deletion = max((index for index, line in enumerate(told) if line.step.n == 35), default=-1)
    result: list[Line] = []
    for index, line in enumerate(told):
        result.append(line)
        if line.step.n == 17:
            result.append(Line(_silent(18, line.step)))
        if index == last_deletion:
            result.append(Line(_silent(36, line.step)))
    return result


def _silent(number: int, after: traces.Step) -> traces.Step:
    row = table.STEPS[number]
    return traces.Step(number, after.time, row.component, "", "", after.object)


def missing(told: Iterable[Line], expected: Iterable[int]) -> list[int]:
    """The steps that did not come."""
    seen = {line.step.n for line in told}
    return [number for number in expected if number not in seen]


def out_of_order(told: Sequence[Line], expected: Sequence[int]) -> list[int]:
    """Steps whose first time came before the first time of one with a smaller number; the last step ends every sync."""
    firsts: dict[int, float] = {}
    for line in told:
        firsts.setdefault(line.step.n, line.step.time)
        if line.step.n == max(table.STEPS):
            firsts[line.step.n] = line.step.time
    found, latest = [], 0.0
    for number in expected:
        if number in firsts:
            if firsts[number] < latest:
                found.append(number)
            latest = max(latest, firsts[number])
    return found


def first_times(told: Iterable[Line]) -> list[Line]:
    """Each step of each component about each object once."""
    seen: dict[tuple[int, str, str, str], Line] = {}
    for line in told:
        step = line.step
        seen.setdefault((step.n, step.component, key_of(step), line.event), line)
    return list(seen.values())


def text(line: Line, began: float, *, explain: bool) -> str:
    """One line for a terminal."""
    step, row = line.step, line.row
    shown = f"{step.time - began:8.3f} s  {step.n:2}  {step.component or row.component:<24} {step.object}"
    if step.note:
        shown += f" ({step.note})"
    if step.function:
        shown += f"\n{'':16}{step.function}  {step.source}"
    shown += f"\n{'':16}upstream {row.upstream}"
    if row.change:
        shown += f"; object: {row.change}"
    if line.event:
        shown += f"\n{'':16}event {line.event}"
    return shown + (f"\n{'':16}{row.sentence}" if explain else "")
