"""ConfigMaps and Secrets: their keys, their size, and what each type of secret must hold.

Upstream: pkg/apis/core/validation (ValidateConfigMap, ValidateSecret). Pure.
"""

import base64
import json

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, goformat

LARGEST = 1024 * 1024
FROZEN = "field is immutable when `immutable` is set"
REDACTED = "<secret contents redacted>"
ACCOUNT = "kubernetes.io/service-account.name"
DOCKER_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text.count("=", -2)


def _keys(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    for key in given:
        if formats.config_key(key):
            formats.each(found, f"{where}[{key}]", key, formats.config_key)


def config_map(found: fieldpath.ErrorList, obj: Object) -> None:
    """A ConfigMap."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    _keys(found, "data", data)
    for key in data:
        if key in binary:
            found.append(fieldpath.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    _keys(found, "binaryData", binary)
    if sum(map(_size, data.values())) + sum(map(_decoded_size, binary.values())) > LARGEST:
        found.append(fieldpath.too_long("[]", "", LARGEST))


def config_map_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of a ConfigMap that is not frozen."""
    _frozen(found, new, old, ("data", "binaryData"))
    config_map(found, new)


def _frozen(found: fieldpath.ErrorList, new: Object, old: Object, fields: tuple[str, ...]) -> None:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        found.append(fieldpath.forbidden("immutable", FROZEN))
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            found.append(fieldpath.forbidden(field, FROZEN))


def secret(found: fieldpath.ErrorList, obj: Object) -> None:
    """A Secret."""
    data, kind = obj.get("data") or {}, obj.get("type") or ""
    _keys(found, "data", data)
    if sum(map(_decoded_size, data.values())) > LARGEST:
        found.append(fieldpath.too_long("data", "", LARGEST))
    if kind in DOCKER_KEYS:
        _docker(found, DOCKER_KEYS[kind], data)
    elif kind == "kubernetes.io/service-account-token":
        if not (obj["metadata"].get("annotations") or {}).get(ACCOUNT):
            found.append(fieldpath.required(f"metadata.annotations[{ACCOUNT}]"))
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            found += [fieldpath.required("data[username]"), fieldpath.required("data[password]")]
    elif kind == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            found.append(fieldpath.required("data[ssh-privatekey]"))
    elif kind == "kubernetes.io/tls":
        found += (fieldpath.required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)


def _docker(found: fieldpath.ErrorList, key: str, data: Object) -> None:
    if key not in data:
        found.append(fieldpath.required(f"data[{key}]"))
        return
    text = base64.b64decode(data[key]).decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError as error:
        found.append(fieldpath.invalid(f"data[{key}]", REDACTED, _syntax(text, error)))
        return
    if value is not None and not isinstance(value, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        detail = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        found.append(fieldpath.invalid(f"data[{key}]", REDACTED, detail))


def _syntax(text: str, error: ValueError) -> str:
    """What Go says of the first character it did not expect, for the commonest of its states."""
    at = getattr(error, "pos", 0)
    rest = text[at:].lstrip()
    if not rest:
        return "unexpected end of JSON input"
    shown = goformat.quote(rest[0])[1:-1].replace('\\"', '"').replace("'", "\\'")
    state = "looking for beginning of value" if not text[:at].strip() else "in JSON"
    return f"invalid character '{shown}' {state}"


def secret_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of a Secret: never of its type."""
    formats.immutable(found, "type", new.get("type") or "", old.get("type") or "")
    _frozen(found, new, old, ("data",))
    secret(found, new)
