"""The ledger notes what was lost and what was used twice, and nothing else."""

import re
from typing import Any

from tests.crash import ledger


def obj(version: int, uid: str = "u1", data: str = "", **metadata: Any) -> dict[str, Any]:
    facts = {"name": "a", "uid": uid, "resourceVersion": str(version), **metadata}
    return {"kind": "ConfigMap", "metadata": facts, "data": data}


def notes(*wrote: dict[str, Any], dying: str = "", deleted: str = "") -> ledger.Ledger:
    found = ledger.Ledger()
    for one in wrote:
        found.wrote(one)
    if dying or deleted:
        found.deleting(dying or deleted)
    if deleted:
        found.deleted(deleted)
    return found


def test_what_is_there() -> None:
    written = obj(5)
    for taken, present in (
        (notes(written), [written]),
        (notes(written), [obj(7, data="newer")]),
        (notes(written, dying="u1"), []),
        (notes(written, dying="u1"), [written]),
        (notes(written, deleted="u1"), []),
        (notes(written, deleted="u1"), [obj(8, deletionTimestamp="now")]),
        (notes(written, deleted="u1"), [obj(9, "u2")]),
    ):
        taken.compare(present)
        assert taken.problems == []


def test_what_is_lost_or_used_twice() -> None:
    for taken, present, problem in (
        (notes(obj(5)), [], "was acknowledged at 5 and is gone"),
        (notes(obj(5)), [obj(9, "u2")], "was acknowledged at 5 and is gone"),
        (notes(obj(5)), [obj(4)], "was acknowledged at 5, now it is at 4"),
        (notes(obj(5)), [obj(5, data="other")], "resourceVersion 5 was used twice"),
        (notes(obj(5), deleted="u1"), [obj(5)], "the deletion of .* was acknowledged, and it is there"),
    ):
        taken.compare(present)
        assert re.search(problem, "".join(taken.problems)), (problem, taken.problems)
