"""JSON patch (RFC 6902) with the leniencies and texts of the library upstream uses.

Leniencies: negative indices count from the end; `replace` of a missing member adds it; a missing `value` is null.

Upstream: gopkg.in/evanphx/json-patch.v4 patch.go. Pure.
"""

from __future__ import annotations

import re
from typing import Any

from pybernetes.apimachinery import goformat
from pybernetes.apimachinery.patch import values

PatchError = values.PatchError

_integer = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
_MISSING = "missing value"
_BAD_INDEX = "invalid index referenced"


def apply(document: Any, operations: Any) -> Any:
    """A changed copy of the document; PatchError at the first operation that fails."""
    check(operations)
    return _Patching(values.copy(document)).run(operations)


def check(operations: Any) -> None:
    """PatchError 400 unless this is a list of operations."""
    if not isinstance(operations, list):
        raise PatchError(f"json: cannot unmarshal {_json_kind(operations)} into Go value of type jsonpatch.Patch", 400)
    for operation in operations:
        if not isinstance(operation, dict):
            found = _json_kind(operation)
            raise PatchError(f"json: cannot unmarshal {found} into Go value of type jsonpatch.Operation", 400)


class _Patching:
    """A document on its way through the operations."""

    def __init__(self, document: Any) -> None:
        self._document = document

    def run(self, operations: list[dict[str, Any]]) -> Any:
        for operation in operations:
            kind = operation.get("op")
            if kind == "add":
                self._add(operation)
            elif kind == "remove":
                self._remove(operation)
            elif kind == "replace":
                self._replace(operation)
            elif kind == "move":
                self._move(operation)
            elif kind == "copy":
                self._copy(operation)
            elif kind == "test":
                self._test(operation)
            else:
                raise PatchError(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")
        return self._document

    def _find(self, path: str) -> tuple[Any, str]:
        """The container that the last part of the path is in, and that part; None if the way there is missing."""
        parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
        if len(parts) < 2:
            return None, ""
        container = self._document
        for part in parts[1:-1]:
            try:
                container = _get(container, part)
            except PatchError:
                return None, ""
            if not isinstance(container, dict | list):
                return None, ""
        return container, parts[-1]

    def _add(self, operation: dict[str, Any]) -> None:
        path = _path(operation, f"add operation failed to decode path: {_MISSING}")
        container, key = self._find(path)
        if container is None:
            raise PatchError(f'add operation does not apply: doc is missing path: "{path}": {_MISSING}')
        _wrapped(f"error in add for path: '{path}'", _insert, container, key, values.copy(operation.get("value")))

    def _remove(self, operation: dict[str, Any]) -> None:
        path = _path(operation, f"remove operation failed to decode path: {_MISSING}")
        container, key = self._find(path)
        if container is None:
            raise PatchError(f'remove operation does not apply: doc is missing path: "{path}": {_MISSING}')
        _wrapped(f"error in remove for path: '{path}'", _delete, container, key)

    def _replace(self, operation: dict[str, Any]) -> None:
        path = _path(operation, f"replace operation failed to decode path: operation missing path field: {_MISSING}")
        value = values.copy(operation.get("value"))
        if path == "":
            if not isinstance(value, dict | list):
                raise PatchError("replace operation value must be object or array: %!w(<nil>)")
            self._document = value
            return
        container, key = self._find(path)
        if container is None:
            raise PatchError(f"replace operation does not apply: doc is missing path: {path}: {_MISSING}")
        if isinstance(container, dict):
            container[key] = value
            return
        try:
            _get(container, key)
        except PatchError:
            raise PatchError(f"replace operation does not apply: doc is missing key: {path}: {_MISSING}") from None
        container[int(key)] = value

    def _move(self, operation: dict[str, Any]) -> None:
        source = _from(operation, "move")
        container, key = self._find(source)
        if container is None:
            raise PatchError(f"move operation does not apply: doc is missing from path: {source}: {_MISSING}")
        value = _wrapped(f"error in move for path: '{key}'", _get, container, key)
        _wrapped(f"error in move for path: '{key}'", _delete, container, key)
        path = _path(operation, f"move operation failed to decode path: operation missing path field: {_MISSING}")
        container, key = self._find(path)
        if container is None:
            raise PatchError(f"move operation does not apply: doc is missing destination path: {path}: {_MISSING}")
        _wrapped(f"error in move for path: '{path}'", _insert, container, key, value)

    def _copy(self, operation: dict[str, Any]) -> None:
        source = _from(operation, "copy")
        container, key = self._find(source)
        if container is None:
            raise PatchError(f"copy operation does not apply: doc is missing from path: {source}: {_MISSING}")
        value = _wrapped(f"error in copy for from: '{source}'", _get, container, key)
        path = _path(operation, f"copy operation failed to decode path: {_MISSING}")
        container, key = self._find(path)
        if container is None:
            raise PatchError(f"copy operation does not apply: doc is missing destination path: {path}: {_MISSING}")
        _wrapped("error while adding value during copy", _insert, container, key, values.copy(value))

    def _test(self, operation: dict[str, Any]) -> None:
        path = _path(operation, f"test operation failed to decode path: operation missing path field: {_MISSING}")
        if path == "":
            actual = self._document
        else:
            container, key = self._find(path)
            if container is None:
                raise PatchError(f"test operation does not apply: is missing path: {path}: {_MISSING}")
            actual = _wrapped(f"error in test for path: '{path}'", _get, container, key)
        if not values.equal(actual, operation.get("value")):
            raise PatchError(f"testing value {path} failed: test failed")


def _path(operation: dict[str, Any], otherwise: str) -> str:
    path = operation.get("path")
    if not isinstance(path, str):
        raise PatchError(otherwise)
    return path


def _from(operation: dict[str, Any], name: str) -> str:
    source = operation.get("from")
    if not isinstance(source, str):
        raise PatchError(f"{name} operation failed to decode from: operation, missing from field: {_MISSING}")
    return source


def _wrapped(context: str, function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except PatchError as error:
        raise PatchError(f"{context}: {error}") from None


def _get(container: Any, key: str) -> Any:
    """A missing member is null; a missing element is an error."""
    if isinstance(container, dict):
        return container.get(key)
    return container[_position(key, len(container), _atoi(key))]


def _insert(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        try:
            index = _atoi(key)
        except PatchError as error:
            raise PatchError(f"value was not a proper array index: '{key}': {error}") from None
        container.insert(_position(key, len(container) + 1, index), value)


def _delete(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_position(key, len(container), _atoi(key))]
    elif key in container:
        del container[key]
    else:
        raise PatchError(f"Unable to remove nonexistent key: {key}: {_MISSING}")


def _position(key: str, size: int, index: int) -> int:
    if not -size <= index < size:
        raise PatchError(f"Unable to access invalid index: {index}: {_BAD_INDEX}")
    return index + size if index < 0 else index


def _atoi(key: str) -> int:
    if not _integer(key):
        raise PatchError(f"strconv.Atoi: parsing {goformat.quote(key)}: invalid syntax")
    return int(key)


def _json_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "string"
