"""Kinds of flags."""

import argparse

import pytest

from pybernetes.cli import flags, parsing


def parse(*arguments: str) -> argparse.Namespace:
    parser = parsing.Parser(prog="test")
    group = parser.add_argument_group("Flags")
    flags.add_boolean(group, "--on", False, "on")
    group.add_argument("--time", type=flags.seconds)
    group.add_argument("--port", type=flags.port)
    group.add_argument("--list", type=flags.listed)
    flags.add_logs(parser)
    found: argparse.Namespace = parser.parse_args(list(arguments))
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--on"], ("on", True)),
        (["--on=true"], ("on", True)),
        (["--on=F"], ("on", False)),
        ([], ("on", False)),
        (["--time", "1m30s"], ("time", 90.0)),
        (["--time=150ms"], ("time", 0.15)),
        (["--list=a,, b"], ("list", ("a", "b"))),
        (["--v=4"], ("v", 4)),
        (["-v", "2"], ("v", 2)),
        (["--port", "0"], ("port", 0)),
    ],
)
def test_values(given: list[str], expected: tuple[str, object]) -> None:
    name, value = expected
    assert getattr(parse(*given), name) == value


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("--on=perhaps", 'invalid argument "perhaps"'),
        ("--time=5", 'missing unit in duration "5"'),
        ("--port=70000", "70000 is not a valid port"),
        ("surplus", "unknown argument: surplus"),
    ],
)
def test_refusals(given: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(given)
    assert ended.value.code == 1
    assert text in capsys.readouterr().err
