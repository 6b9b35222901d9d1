"""The order of merged lists: the patch decides about its elements, the server about the others.

With an empty merge key the elements are scalars and stand for themselves.

Upstream: pkg/util/strategicpatch patch.go, normalizeElementOrder and around (apimachinery). Pure.
"""

from __future__ import annotations

from typing import Any

from pybernetes.apimachinery.patch import values

PatchError = values.PatchError
_DIRECTIVE = "$patch"


def are_maps(elements: list[Any]) -> bool:
    """Whether the elements are objects; PatchError if they are of several kinds, lists, or not there at all."""
    if not elements:
        raise PatchError("no elements in any of the given slices", 500)
    kinds = {values.kind(element) for element in elements}
    if values.kind(elements[0]) == "[]interface {}":
        raise PatchError("lists of lists are not supported", 422)
    if len(kinds) > 1:
        raise PatchError(f"list element types are not identical: {values.text([elements])}", 500)
    return isinstance(elements[0], dict)


def contains(elements: list[Any], wanted: Any) -> bool:
    return any(values.equal(element, wanted) for element in elements)


def merge_value(element: Any, merge_key: str) -> Any:
    """The value of the merge key, which every element must have."""
    if not isinstance(element, dict):
        raise PatchError(f"expected a map[string]interface {{}}, but received a {values.kind(element)}", 500)
    if merge_key not in element:
        raise PatchError(f"map: {values.text(element)} does not contain declared merge key: {merge_key}", 500)
    return element[merge_key]


def are_distinct(elements: list[Any], merge_key: str) -> bool:
    """Whether no two elements, all of which must have the key, share its value."""
    for element in elements:
        merge_value(element, merge_key)
    return len({_identity(element, merge_key) for element in elements}) == len(elements)


def _identity(element: Any, merge_key: str) -> Any:
    """What an element is compared by, hashable for everything that can be a key."""
    found = (element.get(merge_key) if isinstance(element, dict) else None) if merge_key else element
    return (type(found), str(found)) if isinstance(found, dict | list) else (type(found), found)


def partition(elements: list[Any], by: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Those that `by` names, and the others."""
    named = {_identity(element, merge_key) for element in by}
    inside: list[Any] = []
    outside: list[Any] = []
    for element in elements:
        if merge_key:
            merge_value(element, merge_key)
        (inside if _identity(element, merge_key) in named else outside).append(element)
    return inside, outside


def normalize(
    patch: list[Any], server_only: list[Any], patch_order: list[Any], server_order: list[Any], merge_key: str
) -> list[Any]:
    """Sort each part by its own order, then merge them: server-only elements keep their place before a patch
    element that the server has after them; where the server's order says nothing, the patch goes first."""
    left = sort_by(server_only, server_order, merge_key)
    right = sort_by(patch, patch_order, merge_key)
    index = _index(server_order, merge_key)
    merged: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        left_at = index.get(_identity(left[i], merge_key), -1)
        right_at = index.get(_identity(right[j], merge_key), -1)
        if 0 <= left_at < right_at:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


def server_order(original: list[Any], patch: list[Any], merge_key: str) -> list[Any]:
    """The order that counts as the server's once the patch is merged. In Go a new element takes, in the array behind
    the original list, the room that a deleted one left, and so counts as one the server knew."""
    deleted = {_identity(element, merge_key) for element in patch if element.get(_DIRECTIVE) == "delete"}
    remaining = [element for element in original if _identity(element, merge_key) not in deleted]
    plain = [element for element in patch if _DIRECTIVE not in element]
    if len(plain) + len(deleted) < len(patch):
        return remaining
    known = {_identity(element, merge_key) for element in remaining}
    added = [element for element in plain if _identity(element, merge_key) not in known]
    return remaining + added[: len(original) - len(remaining)]


def sort_by(elements: list[Any], order: list[Any], merge_key: str) -> list[Any]:
    """By their place in `order`, deletions last. Elements it does not name go to the front, as upstream's insertion
    sort with its lopsided comparison leaves them."""
    deletions: list[Any] = []
    if merge_key:
        for element in (*elements, *order):
            merge_value(element, merge_key)
        deletions = [element for element in elements if element.get(_DIRECTIVE) == "delete"]
        elements = [element for element in elements if element.get(_DIRECTIVE) != "delete"]
    index = _index(order, merge_key)
    placed: list[tuple[int, Any]] = []
    for element in elements:
        at = index.get(_identity(element, merge_key), -1)
        position = len(placed)
        while position > 0 and (at < 0 or placed[position - 1][0] < 0 or at < placed[position - 1][0]):
            position -= 1
        placed.insert(position, (at, element))
    return [element for _, element in placed] + deletions


def _index(order: list[Any], merge_key: str) -> dict[Any, int]:
    index: dict[Any, int] = {}
    for position, element in enumerate(order):
        index.setdefault(_identity(element, merge_key), position)
    return index


def deduplicate(scalars: list[Any]) -> list[Any]:
    """Each value once. A repeated one is overwritten by the last of the list, as upstream does it."""
    kept = list(scalars)
    i = 0
    while i < len(kept) - 1:
        j = i + 1
        while j < len(kept):
            if values.equal(kept[i], kept[j]):
                last = kept.pop()
                if j < len(kept):
                    kept[j] = last
            else:
                j += 1
        i += 1
    return kept


def check_patch_order(patch: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's elements must come in the order it gives itself."""
    if not patch or not order:
        return
    if merge_key:
        wanted = [element for element in patch if not _is_deletion(element)]
    else:
        wanted = patch
    at = 0
    for element in order:
        while at < len(wanted) and isinstance(wanted[at], dict) and _DIRECTIVE in wanted[at]:
            at += 1
        if at >= len(wanted):
            return
        if merge_key:
            same = values.equal(merge_value(wanted[at], merge_key), merge_value(element, merge_key))
        else:
            same = values.equal(wanted[at], element)
        at += same
    if at < len(wanted):
        shown = (values.text(patch), values.text(order))
        raise PatchError(
            "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n".format(*shown), 500
        )


def _is_deletion(element: Any) -> bool:
    if not isinstance(element, dict):
        raise PatchError(f"expected a map[string]interface {{}}, but received a {values.kind(element)}", 500)
    return element.get(_DIRECTIVE) == "delete"
