"""`pybernetes trace`: every step of docs/journey.md comes, in order, or the command says which does not."""

import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

from pybernetes.cli.journey import steps, story
from pybernetes.telemetry import traces

pytestmark = [pytest.mark.node, pytest.mark.slow]

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def _trace(cluster: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = ["--name", cluster.name, "--data-dir", str(cluster.data)]
    command = [sys.executable, "-m", "pybernetes", "trace", *place, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def _told(lines: list[dict[str, Any]]) -> list[story.Line]:
    fields = ("n", "time", "component", "function", "source", "object")
    return [story.Line(traces.Step(*(one[field] for field in fields))) for one in lines]


def test_a_whole_journey(real_cluster: Any, tmp_path: pathlib.Path) -> None:
    page, record = tmp_path / "page.html", tmp_path / "record"
    done = _trace(real_cluster, "-f", str(EXAMPLES / "replicaset.yaml"), "--journey", "-o", "json", "--html", str(page))
    assert done.returncode == 0, done.stderr
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    told = _told(lines)
    assert not story.missing(told, steps.STEPS)
    assert not story.out_of_order(told, [*steps.STEPS])
    assert any(one["event"].startswith("Scheduled: Successfully assigned default/web-") for one in lines)
    assert "records" in last
    assert "syncReplicaSet" in page.read_text()
    record.write_text(done.stdout)
    checked = _trace(real_cluster, "check", str(record))
    assert (checked.returncode, checked.stdout) == (0, "all invariants hold\n")


def test_a_deployment_with_a_service(real_cluster: Any) -> None:
    done = _trace(real_cluster, "-f", str(EXAMPLES / "deployment-with-service.yaml"), "--explain", "--journey")
    assert done.returncode == 0, done.stderr
    numbers = {int(found) for found in re.findall(r"^ *-?[\d.]+ s +(\d+)  ", done.stdout, re.MULTILINE)}
    assert numbers == set(steps.STEPS)


def test_a_step_that_does_not_come_is_named(real_cluster: Any) -> None:
    real_cluster.kill("node")
    try:
        done = _trace(real_cluster, "-f", str(EXAMPLES / "replicaset.yaml"), "--timeout", "4")
    finally:
        real_cluster.up()
    assert done.returncode == 1
    assert "step 23 is missing: kubelet: the node's kubelet takes it" in done.stderr
    assert "kubelet does not run" in done.stderr
    deleted = _trace(real_cluster, "-f", str(EXAMPLES / "replicaset.yaml"), "--journey")
    assert "it is gone" in deleted.stderr
