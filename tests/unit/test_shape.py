"""The shape of the source: sizes, names, and what only one module may do.

`shape_ratchet.txt` names what broke a rule when the rule came. A line leaves when its subject is mended; none is added.
"""

import ast
import functools
import gc
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pybernetes"
RATCHET = pathlib.Path(__file__).with_name("shape_ratchet.txt")

FILE_LINES, CLASS_LINES, FUNCTION_LINES, PARAMETERS = 500, 300, 60, 6
# A file that must be longer says why in its first line.
LONG_FILE = re.compile(r"# Over 500 lines: \S.*\S")
MEANINGLESS = {"util", "utils", "helper", "helpers", "common", "misc", "base"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
# What a rule finds: the subject, and its size where the rule is about one.
Found = Iterator[tuple[str, int]]


@functools.cache
def _tree(path: pathlib.Path) -> ast.Module:
    # A tree is many objects that all stay: looked at again and again, they would take the collector four times as long
    # as it takes to parse them.
    gc.disable()
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    gc.freeze()
    gc.enable()
    return tree


@functools.cache
def _source_files() -> list[pathlib.Path]:
    return sorted(SOURCE.rglob("*.py"))


@functools.cache
def _test_files() -> list[pathlib.Path]:
    return sorted(path for name in ("test_*.py", "conftest.py") for path in (ROOT / "tests").rglob(name))


def _name(path: pathlib.Path) -> str:
    return path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT).as_posix()


@functools.cache
def _nodes(path: pathlib.Path) -> dict[type[ast.AST], list[ast.AST]]:
    """Every node of a file, by its type: walking a tree is what takes the time here."""
    found: dict[type[ast.AST], list[ast.AST]] = {}
    for node in ast.walk(_tree(path)):
        found.setdefault(type(node), []).append(node)
    return found


def _of(path: pathlib.Path, kind: type[ast.AST]) -> list[Any]:
    return _nodes(path).get(kind, [])


@functools.cache
def _definitions() -> list[tuple[str, ast.ClassDef | Function]]:
    """Each definition with a name that finds it: `module.py:Class.method`."""
    found: list[tuple[str, ast.ClassDef | Function]] = []
    for path in _source_files():
        pending: list[tuple[str, ast.AST]] = [(f"{_name(path)}:", _tree(path))]
        while pending:
            prefix, node = pending.pop()
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    found.append((prefix + child.name, child))
                    pending.append((f"{prefix}{child.name}.", child))
                elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                    pending.append((prefix, child))
    return found


def _named(
    kinds: type[ast.AST] | tuple[type[ast.AST], ...],
) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    return (one for one in _definitions() if isinstance(one[1], kinds))


def _length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _calls(paths: list[pathlib.Path]) -> Iterator[tuple[pathlib.Path, ast.Call, str]]:
    for path in paths:
        for node in _of(path, ast.Call):
            yield path, node, _dotted(node.func)


def long_files() -> Found:
    """A file has at most 500 lines, or says in its first line why not."""
    for path in _source_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > FILE_LINES and not LONG_FILE.fullmatch(lines[0]):
            yield _name(path), len(lines)


def long_classes() -> Found:
    """A class has at most 300 lines."""
    for name, node in _named(ast.ClassDef):
        if _length(node) > CLASS_LINES:
            yield name, _length(node)


def long_functions() -> Found:
    """A function has at most 60 lines."""
    for name, node in _named((ast.FunctionDef, ast.AsyncFunctionDef)):
        if _length(node) > FUNCTION_LINES:
            yield name, _length(node)


def many_parameters() -> Found:
    """A function has at most 6 parameters besides self and cls; those by keyword count too."""
    for name, node in _named((ast.FunctionDef, ast.AsyncFunctionDef)):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = sum(one.arg not in ("self", "cls") for one in given)
        if count > PARAMETERS:
            yield name, count


def no_docstring() -> Found:
    """Every module says what it is."""
    for path in _source_files():
        if not ast.get_docstring(_tree(path)):
            yield _name(path), 0


def meaningless_names() -> Found:
    """No module and no folder is called util, helpers, common, misc or base."""
    for path in _source_files():
        if MEANINGLESS & {*path.relative_to(SOURCE).parent.parts, path.stem}:
            yield _name(path), 0


def bare_tasks() -> Found:
    """Tasks are started by aio/tasks.py alone: elsewhere a crash would be lost."""
    for path, _, name in _calls(_source_files()):
        if name.rpartition(".")[2] in ("create_task", "ensure_future") and _name(path) != "aio/tasks.py":
            yield _name(path), 0


def own_time() -> Found:
    """Time comes from aio/clock.py alone: elsewhere a virtual clock would not be obeyed."""
    asked = {"time.time", "time.monotonic", "time.sleep", "time.time_ns", "asyncio.sleep", "datetime.now"}
    asked |= {"datetime.utcnow", "datetime.datetime.now", "datetime.datetime.utcnow"}
    for path, node, name in _calls(_source_files()):
        zero = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if name in asked and not zero and _name(path) != "aio/clock.py":
            yield _name(path), 0


def type_checking() -> Found:
    """No import is for the type checker only: it hides a cycle."""
    for path in _source_files():
        for node in (*_of(path, ast.Name), *_of(path, ast.Attribute)):
            if _dotted(node).endswith("TYPE_CHECKING"):
                yield _name(path), 0


def local_imports() -> Found:
    """No function imports our own modules: it hides a cycle (a slow library may be imported late)."""
    for path in _source_files():
        for inner in (*_of(path, ast.Import), *_of(path, ast.ImportFrom)):
            if isinstance(inner, ast.Import):
                modules = [alias.name for alias in inner.names]
            else:
                modules = [inner.module or "pybernetes"]
            if inner.col_offset and any(module.split(".")[0] == "pybernetes" for module in modules):
                yield _name(path), 0


def sleeping_tests() -> Found:
    """A test waits for what it means, never for time to pass."""
    for path, node, name in _calls(_test_files()):
        zero = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if name in ("time.sleep", "asyncio.sleep") and not zero:
            yield _name(path), 0


def mocks() -> Found:
    """Fakes stand at the outer edge (CRI, kernel, clock); nothing of ours is mocked."""
    for path in _test_files():
        for node in (*_of(path, ast.Import), *_of(path, ast.ImportFrom)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if any(name.startswith(("unittest", "mock")) for name in named):
                yield _name(path), 0


RULES: tuple[Callable[[], Found], ...] = (
    long_files,
    long_classes,
    long_functions,
    many_parameters,
    no_docstring,
    meaningless_names,
    bare_tasks,
    own_time,
    type_checking,
    local_imports,
    sleeping_tests,
    mocks,
)


@functools.cache
def _allowed() -> dict[tuple[str, str], int]:
    lines = [line.split() for line in RATCHET.read_text(encoding="utf-8").splitlines()]
    return {(words[0], words[1]): int(words[2]) for words in lines if words and not words[0].startswith("#")}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Callable[[], Found]) -> None:
    allowed = {subject: size for (name, subject), size in _allowed().items() if name == rule.__name__}
    found: dict[str, int] = {}
    for subject, size in rule():
        # A rule without a size counts how often it is broken.
        found[subject] = max(found.get(subject, 0), size) if size else found.get(subject, 0) + 1
    broken = [f"{subject} {size}" for subject, size in sorted(found.items()) if size > allowed.get(subject, 0)]
    assert not broken, f"{rule.__doc__} Broken by:\n" + "\n".join(broken)
    mended = sorted(set(allowed) - set(found))
    assert not mended, f"{RATCHET.name} still lists under {rule.__name__} what is mended: {mended}"


def test_the_ratchet_names_rules_that_exist() -> None:
    assert {name for name, _ in _allowed()} <= {rule.__name__ for rule in RULES}
