"""Names: upstream's messages; generated names."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.apimachinery import names

CHECKS: list[names.NameCheck] = [
    names.is_dns1123_label,
    names.is_dns1123_subdomain,
    names.is_dns1035_label,
    names.is_qualified_name,
    names.is_label_value,
    names.is_relaxed_env_var_name,
    names.is_config_map_key,
    names.is_port_name,
    names.is_wildcard_dns1123_subdomain,
    names.is_http_header_name,
    names.is_percent,
]


def test_checks_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("names", lambda value: [check(value) or None for check in CHECKS]) == []


def test_generated_names() -> None:
    name = names.generate_name("web-", random.Random(1))
    assert name.startswith("web-")
    assert len(name) == len("web-") + 5
    assert set(name[4:]) <= set("bcdfghjklmnpqrstvwxz2456789")
    long = names.generate_name("a" * 70, random.Random(1))
    assert len(long) == 63
    assert names.is_dns1123_label(long) == []


@pytest.mark.parametrize(
    ("value", "expected"), [("web-", []), ("-", ["no"]), ("web", []), ("w.b-", [])], ids=["dash", "only", "none", "dot"]
)
def test_prefixes_may_end_with_a_dash(value: str, expected: list[str]) -> None:
    found = names.check_name(names.is_dns1123_subdomain, value, prefix=True)
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(".", ["may not be '.'"]), ("a/b%", ["may not contain '/'", "may not contain '%'"]), ("a:b", [])],
)
def test_path_segments(value: str, expected: list[str]) -> None:
    assert names.is_path_segment_name(value) == expected


def test_safe_encode_string() -> None:
    assert names.safe_encode_string("0123456789") == "456789bcdf"
