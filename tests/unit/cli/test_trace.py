"""What `pybernetes trace` says of files that are not what it needs; its work on clusters: tests/node/test_trace.py."""

import pathlib

import pytest

from pybernetes.cli import main


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "cannot be read"), ("nonsense\n", "is not what `trace -o json` writes"), ('{"n": 1}\n', "has no records")],
)
def test_a_record_that_is_none(
    content: str | None, complaint: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record"
    if content is not None:
        record.write_text(content)
    assert main.main(["trace", "check", str(record)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {record} ")
    assert complaint in said
