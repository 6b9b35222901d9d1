"""YAML as Kubernetes reads and writes it."""

import math
from typing import Any

import pytest

from pybernetes.api.codec import failure, yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("y", True), ("On", True), ("off", False), ("N", False), ("TRUE", True),
        ("~", None), ("", None), ("null", None), ("Null", None),
        ("0", 0), ("12", 12), ("-7", -7), ("+7", 7), ("0644", 420), ("0o17", 15), ("0x1F", 31), ("0b101", 5),
        ("-0b11", -3), ("007", 7),
        ("1_000", 1000), ("08", 8), ("1e3", 1000), ("1.0", 1), ("1.5", 1.5), (".5", 0.5), ("-1.5e-3", -0.0015),
        ("18446744073709551615", 18446744073709551615), ("18446744073709551616", 18446744073709551616),
        ("12:30:45", "12:30:45"), ("2001-12-14", "2001-12-14"), ("2001-12-14T21:59:43Z", "2001-12-14T21:59:43Z"),
        ("1.2.3", "1.2.3"), ("100m", "100m"), ("1Gi", "1Gi"), ("0xZ", "0xZ"), ("-", "-"), (".", "."), ("e3", "e3"),
        ("nope", "nope"), ("yEs", "yEs"), ("=", "="), ("1,000", "1,000"),
    ],
)  # fmt: skip
def test_plain_scalars(text: str, value: Any) -> None:
    got = yaml.resolve(text)
    assert (type(got), got) == (type(value), value)


def test_special_floats() -> None:
    assert math.isnan(yaml.resolve(".nan"))
    assert yaml.resolve("-.inf") == -math.inf
    with pytest.raises(failure.DecodeError, match="unsupported value"):
        yaml.decode(b"a: .inf")


def test_quoted_and_tagged() -> None:
    text = b"a: 'yes'\nb: \"1\"\nc: !!str 5\nd: !!int '7'\ne: !!float 3\nf: |\n  x\n  y\ng: !!binary aGk=\nh: !mine 5\n"
    want = {"a": "yes", "b": "1", "c": "5", "d": 7, "e": 3, "f": "x\ny\n", "g": "hi", "h": "5"}
    assert yaml.decode(text).value == want
    with pytest.raises(failure.DecodeError, match=r"cannot decode !!str `x` as a !!int"):
        yaml.decode(b"a: !!int x")


def test_keys_become_strings_in_order() -> None:
    assert list(yaml.decode(b"z: 1\n1: a\ntrue: b\n1.5: c\na: 0").value.items()) == [
        ("1", "a"),
        ("1.5", "c"),
        ("a", 0),
        ("true", "b"),
        ("z", 1),
    ]


def test_repeated_keys() -> None:
    found = yaml.decode(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert found.value == {"a": 3, "b": {"c": 2}}
    assert found.strict_errors == [
        'yaml: unmarshal errors:\n  line 4: key "c" already set in map\n  line 5: key "a" already set in map'
    ]
    with pytest.raises(failure.DecodeError, match="already set in map"):
        yaml.documents("a: 1\na: 2")


def test_anchors_and_merges() -> None:
    text = b"base: &b {x: 1, k: [1]}\none: *b\ntwo:\n  <<: *b\n  z: 2\n"
    value = yaml.decode(text).value
    assert value["two"] == {"x": 1, "k": [1], "z": 2}
    value["one"]["k"].append(2)
    assert value["base"]["k"] == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [b\n", "yaml: line 1: did not find expected ',' or ']'"),
        ("a: *b\n", "yaml: unknown anchor 'b' referenced"),
        ("a: &a\n  b: *a\n", "yaml: anchor 'a' value contains itself"),
        ("{[1]: 2}", "yaml: invalid map key"),
        ("a: 1\n\tb: 2\n", "yaml: line 2: found a tab character that violates indentation"),
        ("a: b: c\n", "yaml: mapping values are not allowed in this context"),
        ("\x01", "control characters are not allowed"),
        ("? ~\n: 1\n", "unsupported map key"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(failure.DecodeError) as caught:
        yaml.decode(text.encode())
    assert message in caught.value.message


def test_alias_bombs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(failure.DecodeError, match="excessive aliasing"):
        yaml.decode("\n".join(lines).encode())


def test_depth_is_limited() -> None:
    with pytest.raises(failure.DecodeError, match=r"(max|nesting) depth"):
        yaml.decode(b"[" * 5000 + b"]" * 5000)


def test_documents() -> None:
    text = "# nothing\n---\na: 1\n---\n---\nb: [2]\n...\n"
    assert yaml.documents(text) == [{"a": 1}, {"b": [2]}]
    assert yaml.decode(b"").value is None


def test_writes_as_kubectl_does() -> None:
    value = {
        "b": ["x", {"c": "1", "d": 1}],
        "a": {"on": "yes", "empty": {}, "none": [], "null": None, "t": True},
        "text": "one\ntwo\n",
        "time": "2001-12-14T21:59:43Z",
        "number": "1e3",
        "float": 0.5,
        "colon": "a: b",
        "long": "w " * 60 + "w",
    }
    assert yaml.encode(value) == (
        'a:\n  empty: {}\n  none: []\n  "null": null\n  "on": "yes"\n  t: true\n'
        'b:\n- x\n- c: "1"\n  d: 1\n'
        "colon: 'a: b'\n"
        "float: 0.5\n"
        f"long: {'w ' * 60}w\n"
        'number: "1e3"\n'
        "text: |\n  one\n  two\n"
        'time: "2001-12-14T21:59:43Z"\n'
    )
    assert yaml.decode(yaml.encode(value).encode()).value == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [1.0, 1.5, 1e3, -0.0, true, null, "x"], "c": {"d": "é\\u00e9"}}',
        '{"a": 1, "a": 2}',
        '{"a" : 1, "a" : 2}',
        '{"a": 18446744073709551616}',
        '{"a": "no", b: yes}',
        "{}",
        '{"a":"{\\"b\\":1}"}',
        '{"a": 1} # JSON no more',
    ],
)
def test_json_means_the_same_as_when_read_as_yaml(text: str) -> None:
    plain, careful = yaml.decode(text.encode()), yaml.decode(b"\n" + text.encode())
    assert repr(plain.value) == repr(careful.value)
    assert len(plain.strict_errors) == len(careful.strict_errors)
