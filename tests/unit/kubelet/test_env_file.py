import pytest

from pybernetes.kubelet import env_file

TEXT = "# one\n\n  A='1' # note\nB='two\nlines'\nC= 'x'\nD=''\nE='last'\n"


@pytest.mark.parametrize(("key", "expected"), [("A", "1"), ("B", "two\nlines"), ("C", ""), ("E", "last"), ("F", "")])
def test_values(key: str, expected: str) -> None:
    assert env_file.value(TEXT, key) == expected


@pytest.mark.parametrize("text", ["A", "='1'", "A ='1'", "A=1", "A='1", "A='1' 2"])
def test_what_is_no_such_file(text: str) -> None:
    with pytest.raises(env_file.EnvFileError):
        env_file.value(text, "Z")
