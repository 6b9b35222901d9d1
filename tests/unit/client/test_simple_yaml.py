"""What the simple reader reads, the library reads the same; the rest it leaves to the library."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from pybernetes.client import simple_yaml

KUBECTL = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM=
    server: https://127.0.0.1:6443
    insecure-skip-tls-verify: true
    extensions:
    - extension:
        previous-context: ''
      name: pybernetes
  name: dev
# a comment
contexts:
- context: {}
  name: "dev"
current-context: dev
kind: Config
preferences: {}
users:
  - name: dev@a_b-c.d
    user:
      as-groups:
      - system:masters
      token: abc
  - name: other
    user:
"""


def test_as_kubectl_writes_it() -> None:
    assert simple_yaml.parse(KUBECTL) == yaml.safe_load(KUBECTL)
    assert simple_yaml.parse("") is None
    assert simple_yaml.parse("---\n- a\n- b: c\n") == ["a", {"b": "c"}]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1",
        "a: yes",
        "a: 2024-01-01",
        "a: |\n  text",
        "a: &x b",
        "a: *x",
        "a: {b: c}",
        "a: b # comment",
        "a: 'it''s'",
        'a: "x\\n"',
        "a: b\n  c",
        "a: b\na: c",
        "a:\n\tb: c",
        "no: b",
        "a: b: c",
        "- - a",
        "-\n  a: b",
        "a: !!str b",
        "a: b\n---\nc: d",
        "? a\n: b",
        "a: b\n c: d",
        "a:\n    b: c\n  d: e",
        "text",
        "<<: a",
        "a: ~",
        "a: /x:",
    ],
)
def test_what_it_does_not_know_it_leaves(text: str) -> None:
    try:
        read = simple_yaml.parse(text)
    except simple_yaml.NotSimple:
        return
    assert read == yaml.safe_load(text)


names = some.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
scalars = some.one_of(names, some.booleans(), some.just(""), some.text("aA1:/.-_ #'\"{[&*!|>%@,?\n", max_size=8))
values = some.recursive(
    scalars, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(names, inner, max_size=3), max_leaves=12
)


@given(some.dictionaries(names, values, min_size=1, max_size=4))
def test_agrees_with_the_library_or_says_that_it_does_not_know(value: object) -> None:
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, width=1 << 30)
    try:
        read = simple_yaml.parse(text)
    except simple_yaml.NotSimple:
        return
    assert read == yaml.safe_load(text)


lines = some.text("ab: -\n'\"#{}[]yno1~", max_size=30)


@given(lines)
def test_agrees_on_any_text(text: str) -> None:
    try:
        read = simple_yaml.parse(text)
    except simple_yaml.NotSimple:
        return
    assert read == yaml.safe_load(text)
