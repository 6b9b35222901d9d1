"""Columns are upstream's by name, type and priority; Pod rows read as kubectl users know them."""

import datetime
import pathlib
from typing import Any

import pytest
import yaml

from pybernetes.api import columns, kinds
from pybernetes.api.columns import pods, table

GOLDEN = yaml.load(
    (pathlib.Path(__file__).parents[3] / "golden" / "upstream" / "columns.yaml").read_bytes(), Loader=yaml.CSafeLoader
)
NOW = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)


def _kind(path: str) -> kinds.Kind:
    parts = path.split("/")
    group, version, plural = ("", *parts[1:]) if parts[0] == "api" else tuple(parts[1:])
    kind = kinds.TABLE.by_resource(group, version, plural)
    assert kind is not None
    return kind


@pytest.mark.parametrize("path", GOLDEN)
def test_definitions_are_upstreams(path: str) -> None:
    fields = ("name", "type", "format", "priority")
    ours = [{field: one[field] for field in fields} for one in columns.columns(_kind(path)).definitions]
    assert ours == [{field: one.get(field, "") for field in fields} for one in GOLDEN[path]]


def _shown(cell: table.Ago | str) -> str:
    return cell.at(NOW) if isinstance(cell, table.Ago) else cell


def _status(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": "running" in state, "restartCount": 0, **more}


WAITING = {"waiting": {"reason": "PodInitializing"}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"status": {"phase": "Pending"}}, ("0/1", "Pending", "0")),
        (
            {"status": {"phase": "Running", "containerStatuses": [_status("c", {"running": {}})]}},
            ("1/1", "Running", "0"),
        ),
        (
            {
                "status": {
                    "phase": "Running",
                    "containerStatuses": [_status("c", {"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3)],
                }
            },
            ("0/1", "CrashLoopBackOff", "3"),
        ),
        (
            {
                "status": {
                    "phase": "Succeeded",
                    "containerStatuses": [_status("c", {"terminated": {"exitCode": 0, "reason": "Completed"}})],
                }
            },
            ("0/1", "Completed", "0"),
        ),
        (
            {
                "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "a"}, {"name": "b"}]},
                "status": {
                    "phase": "Pending",
                    "initContainerStatuses": [_status("a", {"terminated": {"exitCode": 0}}), _status("b", WAITING)],
                    "containerStatuses": [_status("c", WAITING)],
                },
            },
            ("0/1", "Init:1/2", "0"),
        ),
        (
            {
                "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"phase": "Running", "containerStatuses": [_status("c", {"running": {}})]},
            },
            ("1/1", "Terminating", "0"),
        ),
        (
            {
                "status": {
                    "phase": "Running",
                    "containerStatuses": [
                        _status(
                            "c",
                            {"running": {}},
                            restartCount=2,
                            lastState={"terminated": {"finishedAt": "2026-01-01T11:58:00Z"}},
                        )
                    ],
                }
            },
            ("1/1", "Running", "2 (2m ago)"),
        ),
    ],
)
def test_pod_rows(pod: dict[str, Any], expected: tuple[str, str, str]) -> None:
    whole = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, **pod}
    assert (pods.ready(whole), pods.reason(whole), _shown(pods.restarts(whole))) == expected
