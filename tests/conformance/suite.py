"""One run of upstream's suite with ginkgo against a cluster: which specs, with how many processes, how each ended."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as tree
from collections.abc import Callable, Iterable, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import build

CONFORMANCE = r"\[Conformance\]"
SERIAL = r"\[Serial\]"
SIG = re.compile(r"\[sig-([\w-]+)\]")
SUITE_SECONDS = 3 * 3600
NODES = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """How one spec ended: `state` is passed, failed or skipped; `message` says why it failed."""

    name: str
    state: str
    seconds: float
    message: str = ""

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
        chosen = [r"\[sig-" + self.sig + r"\]" if self.sig else "", self.focus]
        if self.names:
            chosen.append("(" + "|".join(re.escape(name) for name in self.names) + ")")
        # ginkgo joins several expressions by "or": "and" is a look at one text in order
        parts = [part for part in chosen if part]
        text = ".*".join(parts) if parts else ""
        focus = f"{text}.*{CONFORMANCE}" if text and not self.names else text or CONFORMANCE
        if serial:
            return (f"{SERIAL}.*{focus}|{focus}.*{SERIAL}" if not self.names else focus), self.skip
        return focus, "|".join(part for part in (SERIAL, self.skip) if part)

    def names_in(self, names: Iterable[str], serial: bool) -> list[str]:
        """Those of the specs that it means."""
        focus, skip = self.expressions(serial)
        return [name for name in names if re.search(focus, name) and not (skip and re.search(skip, name))]


def every_spec(serial: bool | None = None) -> list[str]:
    """The names of the conformance specs."""
    listed = subprocess.run(
        [str(build.program("e2e.test")), "--list-tests"], check=True, capture_output=True, text=True
    ).stdout
    names = [line.partition(".go:")[2].partition(": ")[2] for line in listed.splitlines() if "[Conformance]" in line]
    return [name for name in names if serial is None or ("[Serial]" in name) == serial]


def run(
    kubeconfig: pathlib.Path,
    selection: Selection,
    folder: pathlib.Path,
    *,
    procs: int,
    serial: bool,
    say: Callable[[str], None],
) -> list[Spec]:
    """Run them; the specs that ran. `folder` gets ginkgo's output and the JUnit report."""
    folder.mkdir(parents=True, exist_ok=True)
    focus, skip = selection.expressions(serial)
    command = [str(build.program("ginkgo")), f"--procs={1 if serial else procs}", f"--focus={focus}", "--silence-skips"]
    command += [f"--skip={skip}"] if skip else []
    command += [f"--timeout={SUITE_SECONDS}s", "--no-color", str(build.program("e2e.test")), "--"]
    command += ["--provider=skeleton", f"--num-nodes={NODES}", f"--kubeconfig={kubeconfig}", f"--report-dir={folder}"]
    command += [f"--kubectl-path={pathlib.Path(sys.executable).with_name('kubectl')}", "--report-complete-junit"]
    command += ["--disable-log-dump=true", "--dump-logs-on-failure=false", "--delete-namespace-on-failure=true"]
    for old in folder.glob("junit*.xml"):
        old.unlink()
    started = time.monotonic()
    with (folder / "output.txt").open("w") as kept:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        done = failed = 0
        # not by lines: a passed spec is one character of a long line
        while chunk := process.stdout.read1(65536):
            text = chunk.decode(errors="replace")
            kept.write(text)
            kept.flush()
            done += text.count("•")
            failed += len(re.findall(r"^  \[FAILED\] \[", text, re.MULTILINE))
            say(f"{done} specs done, {time.monotonic() - started:.0f} s")
        process.wait()
    return read(folder)


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
            found.append(Spec(name, state, float(case.get("time") or 0), _one_line(message)))
    return found


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
