"""The acceptance list of the seed texts: the docstring of a test that checks a row names it ("Seed R5: ...")."""

import ast
import pathlib
import re

TESTS = pathlib.Path(__file__).parents[1]
ROWS = {
    "A": (2, 9, 10, 12),
    "R": (*range(1, 15),),
    "P": (1, 2, 3, 4),
    "H": (1, 2, 3, 4, 5),
    "K": (1, 2, 3, 4, 5, 6, 7),
    "M": (1, 2, 3, 4, 5, 6),
    "C": (1, 2, 3, 4, 5),
    "D": (1,),
}
"""Architecture, ReplicaSet controller, Pod creation, scheduler, kubelet, machinery, controller manager, election."""


def test_every_row_has_its_test() -> None:
    named: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                named |= {*re.findall(r"^Seed ([A-Z]\d+): ", ast.get_docstring(node) or "")}
    assert {f"{part}{number}" for part, numbers in ROWS.items() for number in numbers} - named == set()
