"""One run of upstream's suite with ginkgo against a cluster: which specs, with how many processes, how each ended."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as tree
from collections.abc import Callable, Iterable, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import build
import clusters

CONFORMANCE = r"\[Conformance\]"
SERIAL = r"\[Serial\]"
SIG = re.compile(r"\[sig-([\w-]+)\]")
ENTERED = re.compile(r"@ (\d\d/\d\d/\d\d \d\d:\d\d:\d\d)")
SUITE_SECONDS = 6 * 3600
LOOK_SECONDS = 20.0
"""How often one looks whether the cluster can still run specs."""
ROUNDS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """How one spec ended: `state` is passed, failed or skipped; `message` says why it failed; `began` in Unix time."""

    name: str
    state: str
    seconds: float
    message: str = ""
    began: float = 0.0

    @property
    def sig(self) -> str:
        """The special interest group that owns it."""
        found = SIG.search(self.name)
        return found[1] if found else "none"


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """Which of the conformance specs."""

    focus: str = ""
    sig: str = ""
    skip: str = ""
    names: Sequence[str] = ()

    def expressions(self, serial: bool) -> tuple[str, str]:
        """What ginkgo shall run and what it shall leave out."""
        if self.names:
            return "|".join(re.escape(name) for name in self.names), self.skip
        # ginkgo joins several expressions by "or": "and" is a look at one text in order
        parts = [
            part
            for part in (r"\[sig-" + self.sig + r"\]" if self.sig else "", self.focus and f"(?:{self.focus})")
            if part
        ]
        text = ".*".join(parts)
        focus = f"{text}.*{CONFORMANCE}" if text else CONFORMANCE
        if serial:
            return f"{SERIAL}.*{focus}|{focus}.*{SERIAL}", self.skip
        return focus, "|".join(part for part in (SERIAL, self.skip) if part)

    def choose(self, names: Iterable[str], serial: bool) -> list[str]:
        """Those among the names."""
        focus, skip = map(re.compile, self.expressions(serial))
        return [name for name in names if focus.search(name) and not (skip.pattern and skip.search(name))]


@dataclasses.dataclass(frozen=True, slots=True)
class Runner:
    """How specs are run: `look` says what is wrong with the cluster, `stall` is the longest wait for a spec to end."""

    kubeconfig: pathlib.Path
    folder: pathlib.Path
    procs: int
    stall: float
    say: Callable[[str], None]
    look: Callable[[], str]

    def run(self, selection: Selection, serial: bool) -> tuple[list[Spec], list[tuple[float, str]]]:
        """Run them; the specs that ran, and what was wrong with the cluster at what time.

        When no spec ends for too long, those that run are cut, and the others follow in another round.
        """
        wanted, specs, problems = selection.choose(every_spec(serial), serial), [], []
        if not wanted:
            return [], []
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(ROUNDS):
            place = self.folder if number == 0 else self.folder / f"round-{number + 1}"
            place.mkdir(exist_ok=True)
            cut, found = self._ginkgo(selection, serial, place, len(wanted))
            ran = read(place)
            specs += ran
            problems += found
            known = {spec.name for spec in ran}
            wanted = [name for name in wanted if name not in known]
            if not cut or not wanted or not ran:
                break
            self.say(f"no spec ended for {self.stall:.0f} s: cut those that ran, {len(wanted)} to go")
            selection = Selection(names=wanted, skip=selection.skip)
        return specs, problems

    def _command(self, selection: Selection, serial: bool, folder: pathlib.Path) -> list[str]:
        focus, skip = selection.expressions(serial)
        command = [str(build.program("ginkgo")), f"--procs={1 if serial else self.procs}", f"--focus={focus}"]
        command += [f"--skip={skip}"] if skip else []
        command += ["--silence-skips", f"--timeout={SUITE_SECONDS}s", "--no-color", str(build.program("e2e.test"))]
        command += ["--", "--provider=skeleton", f"--num-nodes={clusters.NODES}", f"--kubeconfig={self.kubeconfig}"]
        command += [f"--report-dir={folder}", f"--kubectl-path={clusters.kubectl()}", "--report-complete-junit"]
        command += ["--disable-log-dump=true", "--dump-logs-on-failure=false", "--delete-namespace-on-failure=true"]
        return command

    def _ginkgo(
        self, selection: Selection, serial: bool, folder: pathlib.Path, wanted: int
    ) -> tuple[bool, list[tuple[float, str]]]:
        for old in folder.glob("junit*.xml"):
            old.unlink()
        began = time.monotonic()
        ended, looked, done, cut = began, began, 0, False
        problems: list[tuple[float, str]] = []
        process = subprocess.Popen(
            self._command(selection, serial, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            with (folder / "output.txt").open("w") as kept:
                # not by lines: a passed spec is one character of a long line
                while True:
                    now = time.monotonic()
                    if select.select([process.stdout], [], [], 5.0)[0]:
                        if not (chunk := process.stdout.read1(65536)):
                            break
                        text = chunk.decode(errors="replace")
                        kept.write(text)
                        kept.flush()
                        ends = text.count("•") + len(re.findall(r"^  \[FAILED\] \[", text, re.MULTILINE))
                        done, ended = done + ends, now if ends else ended
                        self.say(f"{done} of {wanted} specs done, {now - began:.0f} s")
                    if now - looked > LOOK_SECONDS:
                        looked = now
                        if problem := self.look():
                            problems.append((time.time(), problem))
                    if now - ended > self.stall:
                        cut, ended = True, now
                        os.killpg(process.pid, signal.SIGINT)
            process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return cut, problems


def every_spec(serial: bool | None = None) -> list[str]:
    """The names of the conformance specs."""
    listed = subprocess.run(
        [str(build.program("e2e.test")), "--list-tests"], check=True, capture_output=True, text=True
    ).stdout
    names = [line.partition(".go:")[2].partition(": ")[2] for line in listed.splitlines() if "[Conformance]" in line]
    return [name for name in names if serial is None or ("[Serial]" in name) == serial]


def read(folder: pathlib.Path) -> list[Spec]:
    """What the JUnit reports in that folder say."""
    found = []
    for report in sorted(folder.glob("junit*.xml")):
        for case in tree.parse(report).getroot().iter("testcase"):
            name = (case.get("name") or "").removeprefix("[It] ")
            if "[Conformance]" not in name:
                continue
            state = {"passed": "passed", "skipped": "skipped"}.get(case.get("status") or "", "failed")
            if case.find("skipped") is not None:
                continue
            problem = case.find("failure")
            problem = problem if problem is not None else case.find("error")
            message = (problem.get("message") or problem.text or "") if problem is not None else ""
            seconds, began = float(case.get("time") or 0), _began(case.findtext("system-err") or "")
            found.append(Spec(name, state, seconds, _one_line(message), began))
    return found


def _began(timeline: str) -> float:
    found = ENTERED.search(timeline)
    return datetime.datetime.strptime(found[1], "%m/%d/%y %H:%M:%S").timestamp() if found else 0.0


def suspects(specs: Iterable[Spec], moment: float) -> list[str]:
    """The specs that ran at that time, those that failed first."""
    ran = [one for one in specs if one.began and one.began - 1 <= moment <= one.began + one.seconds + LOOK_SECONDS]
    return [one.name for one in sorted(ran, key=lambda one: one.state != "failed")]


def _one_line(message: str) -> str:
    return " ".join(message.split())[:400]


def by_sig(specs: Iterable[Spec]) -> dict[str, dict[str, float]]:
    """For each sig how many passed, failed, were skipped, and the sum of their seconds."""
    table: dict[str, dict[str, float]] = {}
    for spec in specs:
        row = table.setdefault(spec.sig, {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0})
        row[spec.state] += 1
        row["seconds"] = round(row["seconds"] + spec.seconds, 1)
    return dict(sorted(table.items()))
