"""What is projected into files: keys of secrets and config maps, fields of the Pod, tokens, certificates.

Upstream: pkg/apis/core/validation (validateProjectionSources, validateDownwardAPIVolumeFile). Pure.
"""

from collections.abc import Sequence

from pybernetes.api.validation import env, formats, labels, signers
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

MODE = "must be a number between 0 and 0777 (octal), both inclusive"
CONFLICT = "conflicting duplicate paths"
KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")
DAYS_91 = 91 * 24 * 3600


def file_mode(found: fieldpath.ErrorList, where: str, mode: int | None) -> None:
    """Permission bits of a file, if given."""
    if mode is not None and not 0 <= mode <= 0o777:
        found.append(fieldpath.invalid(where, mode, MODE))


def key_to_path(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A key and the file it becomes."""
    path = given.get("path") or ""
    if not given.get("key"):
        found.append(fieldpath.required(where + ".key"))
    if not path:
        found.append(fieldpath.required(where + ".path"))
    formats.not_reserved(found, where + ".path", path)
    file_mode(found, where + ".mode", given.get("mode"))
    formats.user_id(found, where + ".user", given.get("user"))


def downward_file(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A field of the Pod, or an amount of its resources, as a file (the place is the volume, not the item)."""
    path = given.get("path") or ""
    if not path:
        found.append(fieldpath.required(where + ".path"))
    formats.not_reserved(found, where + ".path", path)
    field, resource = given.get("fieldRef"), given.get("resourceFieldRef")
    if field is not None:
        env.field_ref(found, where + ".fieldRef", field, env.VOLUME_PATHS)
        if resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(fieldpath.invalid(where, "resource", text))
    elif resource is not None:
        env.resource_ref(found, where + ".resourceFieldRef", resource, in_volume=True)
    else:
        found.append(fieldpath.required(where, "one of fieldRef and resourceFieldRef is required"))
    file_mode(found, where + ".mode", given.get("mode"))
    formats.user_id(found, where + ".user", given.get("user"))


class _Paths:
    """The files of one volume: no two sources may write the same."""

    def __init__(self, found: fieldpath.ErrorList, where: str) -> None:
        self.found = found
        self.where = where
        self._taken: set[str] = set()

    def take(self, path: str, shown: str) -> None:
        if path in self._taken:
            self.found.append(fieldpath.invalid(self.where, shown, CONFLICT))
        self._taken.add(path)


def sources(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    """`sources` of a projected volume."""
    paths = _Paths(found, where)
    for index, source in enumerate(given):
        place = f"{where}.sources[{index}]"
        count = 0
        for kind, value in source.items():
            if value is not None and kind in KINDS:
                count += 1
        if count > 1:
            source = {kind: source[kind] for kind in KINDS if source.get(kind) is not None}
        for kind, value in source.items():
            if value is not None and kind in KINDS:
                KINDS[kind](paths, f"{place}.{kind}", value)
        if count > 1:
            found.append(fieldpath.forbidden(place, "may not specify more than 1 volume type per source"))


def _keys(paths: _Paths, where: str, given: Object) -> None:
    name = given.get("name") or ""
    if not name:
        paths.found.append(fieldpath.required(where + ".name"))
    for index, item in enumerate(given.get("items") or ()):
        key_to_path(paths.found, f"{where}.items[{index}]", item)
        if item.get("path"):
            paths.take(item["path"], name)


def _downward(paths: _Paths, where: str, given: Object) -> None:
    for item in given.get("items") or ():
        downward_file(paths.found, where, item)
        if item.get("path"):
            paths.take(item["path"], item["path"])


def _token(paths: _Paths, where: str, given: Object) -> None:
    found, seconds, path = paths.found, given.get("expirationSeconds"), given.get("path") or ""
    place = where + ".expirationSeconds"
    if seconds is None:
        found.append(fieldpath.required(place))
    elif seconds < 600:
        found.append(fieldpath.invalid(place, seconds, "may not specify a duration less than 10 minutes"))
    elif seconds > 2**32:
        found.append(fieldpath.invalid(place, seconds, "may not specify a duration larger than 2^32 seconds"))
    if not path:
        found.append(fieldpath.required(paths.where + ".path"))
    else:
        formats.not_reserved(found, paths.where + ".path", path)
    formats.user_id(found, where + ".user", given.get("user"))


def _trust_bundle(paths: _Paths, where: str, given: Object) -> None:
    found, name, signer = paths.found, given.get("name"), given.get("signerName")
    if name is not None and signer is not None:
        found.append(fieldpath.invalid(where, given, "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            found.append(fieldpath.required(where + ".name", "must be a valid object name"))
        for message in signers.bundle_name(name):
            text = f"not a valid clustertrustbundlename: {message}"
            found.append(fieldpath.invalid(where + ".name", name, text))
        if given.get("labelSelector") is not None:
            text = "labelSelector must be unset if name is specified"
            found.append(fieldpath.invalid(where + ".labelSelector", given["labelSelector"], text))
    elif signer is not None:
        if not signer:
            found.append(fieldpath.required(where + ".signerName", "must be a valid signer name"))
        signers.signer_name(found, where + ".signerName", signer)
        labels.selector(found, where + ".labelSelector", given.get("labelSelector"))
    else:
        found.append(fieldpath.required(where, "either name or signerName must be specified"))
    path = given.get("path") or ""
    if not path:
        found.append(fieldpath.required(where + ".path"))
    formats.user_id(found, where + ".user", given.get("user"))
    formats.not_reserved(found, where + ".path", path)
    paths.take(path, path)


def _certificate(paths: _Paths, where: str, given: Object) -> None:
    found, signer = paths.found, given.get("signerName") or ""
    signers.signer_name(found, where + ".signerName", signer)
    labels.user_annotations(found, where + ".userAnnotations", given.get("userAnnotations"))
    formats.user_id(found, where + ".user", given.get("user"))
    if given.get("keyType") not in KEY_TYPES:
        found.append(fieldpath.not_supported(where + ".keyType", given.get("keyType") or "", KEY_TYPES))
    seconds = given.get("maxExpirationSeconds")
    if seconds is not None:
        place, most = where + ".maxExpirationSeconds", DAYS_91
        if signers.is_kubernetes(signer):
            most = 24 * 3600
        if seconds < 3600:
            text = "if provided, maxExpirationSeconds must be >= 3600"
            found.append(fieldpath.invalid(place, seconds, text))
        if seconds > most:
            text = f"if provided, maxExpirationSeconds must be <= {most}"
            found.append(fieldpath.invalid(place, seconds, text))
    given_paths = [(name, given[name]) for name in CERTIFICATE_PATHS if given.get(name)]
    for name, path in given_paths:
        formats.not_reserved(found, f"{where}.{name}", path)
        paths.take(path, path)
    if not given_paths:
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        found.append(fieldpath.required(where, text))


KINDS = {
    "secret": _keys,
    "configMap": _keys,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
    "clusterTrustBundle": _trust_bundle,
    "podCertificate": _certificate,
}
