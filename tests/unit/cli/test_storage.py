"""`pybernetes storage check` and `pybernetes controllers`."""

import json
import pathlib

import apsw
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.cli import main
from pybernetes.controllers import table
from pybernetes.storage import sqlite


@pytest.fixture
async def store(tmp_path: pathlib.Path) -> pathlib.Path:
    backend = sqlite.SqliteBackend(tmp_path / "store.db", clock=clocks.RealClock())
    await backend.start()
    await backend.create("/registry/x/a", b'{"kind":"X","metadata":{}}')
    await backend.close()
    return tmp_path


def test_a_good_store(store: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["storage", "check", "--data-dir", str(store)]) == 0
    assert capsys.readouterr().out == f"{store}/store.db: nothing is wrong\n"


def test_a_bad_store(store: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = apsw.Connection(str(store / "store.db"))
    connection.execute("UPDATE log SET value = x'00'")
    connection.close()
    assert main.main(["storage", "check", "--data-dir", str(store), "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert [one["key"] for one in found["findings"]] == ["/registry/x/a"]


def test_no_store(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["storage", "check", "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("no store at")


def test_controllers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["controllers", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in listed} == set(table.CONTROLLERS)
    assert {"name": "replicaset-controller", "alias": "replicaset", "enabledByDefault": True} in listed
    assert main.main(["controllers"]) == 0
    assert "replicaset-controller " in capsys.readouterr().out
