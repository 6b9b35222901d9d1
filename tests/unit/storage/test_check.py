"""The checker finds what must not be in a log."""

import pathlib

import apsw
import pytest

from pybernetes.aio.clock import RealClock
from pybernetes.storage import check
from pybernetes.storage.sqlite import SqliteBackend


async def store_with_history(path: pathlib.Path) -> None:
    """x: created 2, updated 3, updated 6; y: created 4, deleted 5, created 7; compacted up to 3."""
    store = SqliteBackend(path, clock=RealClock())
    await store.start()
    await store.create("x", b"{}")
    await store.update("x", b'{"v":2}', expected=2)
    await store.create("y", b"{}")
    await store.delete("y", expected=4)
    await store.update("x", b"{}", expected=3)
    await store.create("y", b"{}")
    await store.compact(3)
    await store.close()


@pytest.mark.parametrize(
    ("damage", "findings"),
    [
        ("SELECT 1", []),
        ("UPDATE log SET value = x'5b5d' WHERE revision = 7", ["7 y the value is not a JSON object"]),
        ("UPDATE log SET value = x'7b' WHERE revision = 7", ["7 y the value is not JSON: Input data was truncated"]),
        (
            """UPDATE log SET value = CAST('{"metadata":{"resourceVersion":"7"}}' AS BLOB) WHERE revision = 7""",
            ["7 y the value holds a resourceVersion"],
        ),
        (
            "UPDATE log SET create_revision = 6 WHERE revision = 7",
            ["7 y creates the key, but says it was created at 6"],
        ),
        ("DELETE FROM log WHERE revision = 5", ["7 y creates a key that is there"]),
        ("DELETE FROM log WHERE revision = 3", ["6 x the row before it (3) is missing"]),
        ("UPDATE log SET previous = 4 WHERE revision = 6", ["6 x follows 4, but the key's row before it is 3"]),
        ("UPDATE log SET create_revision = 3 WHERE revision = 6", ["6 x created at 3, but the row before it at 2"]),
        ("UPDATE log SET deleted = 1 WHERE revision = 7", ["7 y deletes a key that is not there"]),
        (
            "UPDATE compaction SET revision = 5",
            [
                "5 y a deletion that compaction should have removed",
                "5 y compaction should have removed the row before it (4)",
            ],
        ),
        (
            "UPDATE log SET revision = 1 WHERE revision = 3",
            ["1 x revision is not above 1", "6 x follows 3, but the key's row before it is 1"],
        ),
    ],
)
async def test_findings(tmp_path: pathlib.Path, damage: str, findings: list[str]) -> None:
    path = tmp_path / "store.db"
    await store_with_history(path)
    connection = apsw.Connection(str(path))
    connection.execute(damage)
    connection.close()
    assert [f"{one.revision} {one.key} {one.problem}" for one in check.check(path)] == findings


def test_no_store_at_all(tmp_path: pathlib.Path) -> None:
    (finding,) = check.check(tmp_path / "none.db")
    assert str(finding) == "storage none.db: unable to open database file"
    (tmp_path / "text.db").write_text("hello" * 1000)
    (finding,) = check.check(tmp_path / "text.db")
    assert "file is not a database" in str(finding)
