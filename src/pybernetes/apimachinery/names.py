"""What a name may look like: DNS labels, qualified names, label values, port names, and generated names.

Each check returns the messages upstream gives, none if the value is fine.

Upstream: pkg/util/validation, pkg/api/validate/content (apimachinery), apiserver/pkg/storage/names. Pure.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

DNS1123_LABEL_MAX = 63
DNS1123_SUBDOMAIN_MAX = 253
DNS1035_LABEL_MAX = 63
LABEL_VALUE_MAX = 63
GENERATED_SUFFIX_LENGTH = 5
GENERATE_BASE_MAX = 63 - GENERATED_SUFFIX_LENGTH
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

_DNS1123_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS1123_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_DNS1123_SUBDOMAIN = _DNS1123_LABEL + r"(\." + _DNS1123_LABEL + ")*"
_DNS1123_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1123_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_DNS1123_SUBDOMAIN_UNDERSCORE = _DNS1123_LABEL_UNDERSCORE + r"(\." + _DNS1123_LABEL_UNDERSCORE + ")*"
_DNS1123_SUBDOMAIN_UNDERSCORE_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1123_SUBDOMAIN_CASELESS_TEXT = (
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS1035_LABEL_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_WILDCARD_SUBDOMAIN = r"\*\." + _DNS1123_SUBDOMAIN
_WILDCARD_SUBDOMAIN_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
    "which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_KEY_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE = f"({_LABEL_KEY})?"
_LABEL_VALUE_TEXT = f"a valid label must be an empty string or {_LABEL_KEY_TEXT.removeprefix('must ')}"
_RELAXED_ENV_VAR_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_HTTP_HEADER_TEXT = "a valid HTTP header must consist of alphanumeric characters or '-'"
_PERCENT = "[0-9]+%"
_PERCENT_TEXT = "a valid percent string must be a numeric string followed by an ending '%'"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_dns1123_label = re.compile(_DNS1123_LABEL).fullmatch
_dns1123_subdomain = re.compile(_DNS1123_SUBDOMAIN).fullmatch
_dns1123_subdomain_caseless = re.compile(_DNS1123_SUBDOMAIN, re.IGNORECASE | re.ASCII).fullmatch
_dns1123_subdomain_underscore = re.compile(_DNS1123_SUBDOMAIN_UNDERSCORE).fullmatch
_dns1035_label = re.compile(_DNS1035_LABEL).fullmatch
_wildcard_subdomain = re.compile(_WILDCARD_SUBDOMAIN).fullmatch
_label_key = re.compile(_LABEL_KEY).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_http_header = re.compile(_HTTP_HEADER).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_http_path = re.compile(_HTTP_PATH).fullmatch
_port_name_characters = re.compile("[-a-z0-9]+").fullmatch
_port_name_letter = re.compile("[a-z]").search


def is_dns1123_label(value: str) -> list[str]:
    errors = _max_characters(value, DNS1123_LABEL_MAX)
    if not _dns1123_label(value):
        if _dns1123_subdomain(value):
            errors.append("must not contain dots")
        else:
            errors.append(regex_error(_DNS1123_LABEL_TEXT, _DNS1123_LABEL, "my-name", "123-abc"))
    return errors


def is_dns1123_subdomain(value: str) -> list[str]:
    errors = _max_characters(value, DNS1123_SUBDOMAIN_MAX)
    if not _dns1123_subdomain(value):
        errors.append(regex_error(_DNS1123_SUBDOMAIN_TEXT, _DNS1123_SUBDOMAIN, "example.com"))
    return errors


def is_dns1123_subdomain_caseless(value: str) -> list[str]:
    errors = _max_bytes(value, DNS1123_SUBDOMAIN_MAX)
    if not _dns1123_subdomain_caseless(value):
        errors.append(regex_error(_DNS1123_SUBDOMAIN_CASELESS_TEXT, _DNS1123_SUBDOMAIN, "Example.com"))
    return errors


def is_dns1123_subdomain_with_underscore(value: str) -> list[str]:
    errors = _max_characters(value, DNS1123_SUBDOMAIN_MAX)
    if not _dns1123_subdomain_underscore(value):
        errors.append(regex_error(_DNS1123_SUBDOMAIN_UNDERSCORE_TEXT, _DNS1123_SUBDOMAIN_UNDERSCORE, "example.com"))
    return errors


def is_dns1035_label(value: str) -> list[str]:
    errors = _max_characters(value, DNS1035_LABEL_MAX)
    if not _dns1035_label(value):
        errors.append(regex_error(_DNS1035_LABEL_TEXT, _DNS1035_LABEL, "my-name", "abc-123"))
    return errors


def is_wildcard_dns1123_subdomain(value: str) -> list[str]:
    errors = _max_characters(value, DNS1123_SUBDOMAIN_MAX)
    if not _wildcard_subdomain(value):
        errors.append(regex_error(_WILDCARD_SUBDOMAIN_TEXT, _WILDCARD_SUBDOMAIN, "*.example.com"))
    return errors


def is_qualified_name(value: str) -> list[str]:
    """A label key, annotation key, finalizer or condition type: an optional DNS prefix, a slash, a name."""
    prefix, slash, name = value.rpartition("/")
    example = regex_error(_LABEL_KEY_TEXT, _LABEL_KEY, "MyName", "my.name", "123-abc")
    if "/" in prefix:
        tail = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {example}{tail}"]
    errors = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash:
        errors += [f"prefix part {message}" for message in _content_subdomain(prefix)]
    if not name:
        errors.append("name part must be non-empty")
    elif _byte_length(name) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _label_key(name):
        errors.append(f"name part {example}")
    return errors


def is_label_value(value: str) -> list[str]:
    errors = _max_bytes(value, LABEL_VALUE_MAX)
    if not _label_value(value):
        errors.append(regex_error(_LABEL_VALUE_TEXT, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return errors


def is_relaxed_env_var_name(value: str) -> list[str]:
    if not value:
        return ["environment variable name must be non-empty"]
    if not (value.isascii() and value.isprintable()) or "=" in value:
        return [_RELAXED_ENV_VAR_TEXT]
    return []


def is_config_map_key(value: str) -> list[str]:
    errors = _max_characters(value, DNS1123_SUBDOMAIN_MAX)
    if not _config_key(value):
        errors.append(regex_error(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return errors + _change_directory_prefix(value)


def is_port_name(value: str) -> list[str]:
    errors = _max_characters(value, 15)
    if not _port_name_characters(value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _port_name_letter(value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def is_port_number(port: int) -> list[str]:
    return [] if 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def is_http_header_name(value: str) -> list[str]:
    return [] if _http_header(value) else [regex_error(_HTTP_HEADER_TEXT, _HTTP_HEADER, "X-Header-Name")]


def is_http_path(value: str) -> list[str]:
    return [] if _http_path(value) else [regex_error("Invalid path", _HTTP_PATH)]


def is_percent(value: str) -> list[str]:
    return [] if _percent(value) else [regex_error(_PERCENT_TEXT, _PERCENT, "1%", "93%")]


def is_path_segment_name(value: str) -> list[str]:
    """What every object name must be, so that it can stand in a URL."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return is_path_segment_prefix(value)


def is_path_segment_prefix(value: str) -> list[str]:
    return [f"may not contain '{content}'" for content in ("/", "%") if content in value]


NameCheck = Callable[[str], list[str]]


def check_name(check: NameCheck, value: str, *, prefix: bool = False) -> list[str]:
    """Apply a format to a name or, with `prefix`, to a generateName, which may end with a dash."""
    if prefix and len(value) > 1 and value.endswith("-"):
        value = value[:-2] + "a"
    return check(value)


def generate_name(base: str, rand: random.Random) -> str:
    """The base, cut so that the result fits a DNS label, and five characters that spell no words."""
    return base[:GENERATE_BASE_MAX] + "".join(rand.choices(SAFE_ALPHABET, k=GENERATED_SUFFIX_LENGTH))


def safe_encode_string(text: str) -> str:
    """Rewrite digits of a hash in the alphabet of generated names, as pod-template-hash is."""
    return "".join(SAFE_ALPHABET[ord(char) % len(SAFE_ALPHABET)] for char in text)


def regex_error(text: str, regex: str, *examples: str) -> str:
    if not examples:
        return f"{text} (regex used for validation is '{regex}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{regex}')"


def _byte_length(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape"))


def _max_characters(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if _byte_length(value) > limit else []


def _max_bytes(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if _byte_length(value) > limit else []


def _content_subdomain(value: str) -> list[str]:
    """The newer of upstream's two subdomain checks, which counts bytes; used for key prefixes."""
    errors = _max_bytes(value, DNS1123_SUBDOMAIN_MAX)
    if not _dns1123_subdomain(value):
        errors.append(regex_error(_DNS1123_SUBDOMAIN_TEXT, _DNS1123_SUBDOMAIN, "example.com"))
    return errors


def _change_directory_prefix(value: str) -> list[str]:
    if value in {".", ".."}:
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []
