"""Make strategic merge patches: between two objects, or three ways for client-side apply.

    two_way(old, new, schema)                           turns old into new
    three_way(last_applied, configured, live, schema)   what `kubectl apply` sends

Upstream: pkg/util/strategicpatch patch.go, CreateTwoWayMergePatch, CreateThreeWayMergePatch (apimachinery). Pure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pybernetes.apimachinery.patch import ordering, strategic, values

PatchError = values.PatchError
Schema = strategic.Schema


class _Options(NamedTuple):
    """Which differences count."""

    deletions: bool = True
    changes: bool = True
    retain_keys: bool = False


def two_way(original: dict[str, Any], modified: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """The patch that turns original into modified; empty if they are equal."""
    return _diff_maps(original, modified, schema, _Options())


def three_way(
    original: dict[str, Any], modified: dict[str, Any], current: dict[str, Any], schema: Schema
) -> dict[str, Any]:
    """The patch that puts into current all that modified has, and takes out what only original had."""
    additions = _diff_maps(current, modified, schema, _Options(deletions=False))
    deletions = _diff_maps(original, modified, schema, _Options(changes=False))
    return strategic.merge_map(deletions, additions, schema, combine=True)


def _diff_maps(original: dict[str, Any], modified: dict[str, Any], schema: Schema, options: _Options) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    inner_options = options._replace(retain_keys=False)
    for key, wanted in modified.items():
        if key not in original:
            if options.changes:
                patch[key] = values.copy(wanted)
            continue
        existing = original[key]
        if key == strategic.DIRECTIVE:
            if not isinstance(existing, str) or not isinstance(wanted, str):
                raise PatchError(f"invalid value for special key: {strategic.DIRECTIVE}", 500)
            if existing != wanted:
                patch[key] = wanted
        elif isinstance(existing, dict) and isinstance(wanted, dict):
            _diff_map_member(key, (existing, wanted), patch, schema, inner_options)
        elif isinstance(existing, list) and isinstance(wanted, list):
            _diff_list_member(key, (existing, wanted), patch, schema, inner_options)
        elif options.changes and not values.equal(existing, wanted):
            patch[key] = values.copy(wanted)
    if options.deletions:
        patch.update({key: None for key in original if key not in modified})
    if options.retain_keys:
        retained = sorted(key for key, wanted in modified.items() if wanted is not None)
        dropped = any(key not in modified and existing is not None for key, existing in original.items())
        if retained and (patch or dropped):
            patch[strategic.RETAIN_KEYS] = retained
    return patch


def _diff_map_member(
    key: str, pair: tuple[dict[str, Any], dict[str, Any]], patch: dict[str, Any], schema: Schema, options: _Options
) -> None:
    existing, wanted = pair
    field = _lookup(key, existing, wanted, schema)
    if field is None:
        return
    if field.strategy == strategic.REPLACE:
        if options.changes:
            patch[key] = values.copy(wanted)
        return
    inner = _diff_maps(existing, wanted, field.schema, options._replace(retain_keys=field.retain_keys))
    if inner:
        patch[key] = inner


def _diff_list_member(
    key: str, pair: tuple[list[Any], list[Any]], patch: dict[str, Any], schema: Schema, options: _Options
) -> None:
    existing, wanted = pair
    field = _lookup(key, existing, wanted, schema)
    if field is None:
        return
    if field.strategy != strategic.MERGE:
        if options.changes and not values.equal(existing, wanted):
            patch[key] = values.copy(wanted)
        return
    options = options._replace(retain_keys=field.retain_keys)
    if not existing:
        if wanted and options.changes:
            patch[key] = values.copy(wanted)
        return
    if ordering.are_maps([*existing, *wanted]):
        changed, order = _diff_elements(existing, wanted, field, options)
        removed: list[Any] = []
    else:
        changed, removed, order = _diff_scalars(existing, wanted, options)
    if changed:
        patch[key] = changed
    if removed:
        patch[f"{strategic.DELETE_FROM_PRIMITIVE_LIST}/{key}"] = removed
    if order:
        patch[f"{strategic.SET_ELEMENT_ORDER}/{key}"] = order


def _lookup(key: str, existing: Any, wanted: Any, schema: Schema) -> strategic.Field | None:
    """None for a member the schema does not know, as long as it did not change."""
    try:
        return schema.lookup(key)
    except PatchError:
        if values.equal(existing, wanted):
            return None
        raise


def _diff_elements(
    original: list[Any], modified: list[Any], field: strategic.Field, options: _Options
) -> tuple[list[Any], list[Any]]:
    """The changed and deleted elements, and the order of all if it matters."""
    merge_key = field.merge_key
    before, after = _sorted_by_key(original, merge_key), _sorted_by_key(modified, merge_key)
    changed: list[Any] = []
    deleted: list[Any] = []
    i = j = 0
    while i < len(before) or j < len(after):
        ours = before[i] if i < len(before) else None
        theirs = after[j] if j < len(after) else None
        if ours is not None and theirs is not None and ours[0] == theirs[0]:
            inner = _diff_maps(ours[1], theirs[1], field.schema, options)
            if inner:
                inner[merge_key] = theirs[1][merge_key]
                changed.append(inner)
            i, j = i + 1, j + 1
        elif theirs is not None and (ours is None or ours[0] > theirs[0]):
            if options.changes:
                changed.append(values.copy(theirs[1]))
            j += 1
        elif ours is not None:
            if options.deletions:
                deleted.append({strategic.DIRECTIVE: strategic.DELETE, merge_key: ours[1][merge_key]})
            i += 1
    patch = ordering.sort_by(changed, modified, merge_key) + deleted
    moved = [element.get(merge_key) for element in original] != [element.get(merge_key) for element in modified]
    if (options.changes and (patch or moved)) or (options.deletions and patch):
        return patch, [{merge_key: element.get(merge_key)} for element in modified]
    return patch, []


def _sorted_by_key(elements: list[Any], merge_key: str) -> list[tuple[str, Any]]:
    """By the text of the merge key, as upstream walks them."""
    keyed = [(values.text(ordering.merge_value(element, merge_key)), element) for element in elements]
    return sorted(keyed, key=lambda pair: pair[0])


def _diff_scalars(
    original: list[Any], modified: list[Any], options: _Options
) -> tuple[list[Any], list[Any], list[Any]]:
    """What is new, what is gone, and the order if it matters."""
    before = sorted(original, key=values.text)
    after = sorted(modified, key=values.text)
    added: list[Any] = []
    deleted: list[Any] = []
    i = j = 0
    while i < len(before) or j < len(after):
        ours = values.text(before[i]) if i < len(before) else None
        theirs = values.text(after[j]) if j < len(after) else None
        if ours is not None and ours == theirs:
            i, j = i + 1, j + 1
        elif theirs is not None and (ours is None or ours > theirs):
            if options.changes:
                added.append(after[j])
            j += 1
        else:
            if options.deletions:
                deleted.append(before[i])
            i += 1
    deleted = ordering.deduplicate(deleted)
    ordered = (options.deletions and deleted) or (options.changes and not values.equal(before, modified))
    return ordering.sort_by(added, modified, ""), deleted, list(modified) if ordered else []
