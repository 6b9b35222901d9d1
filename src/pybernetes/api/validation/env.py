"""Environment variables: their names, and where their values come from.

Upstream: pkg/apis/core/validation (ValidateEnv, ValidateEnvFrom), pkg/apis/core/pods (ConvertDownwardAPIFieldLabel).
Pure.
"""

from collections.abc import Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

ENV_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_PATHS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_PATHS = {*ENV_PATHS, *VOLUME_PATHS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISOR_SUBJECTS = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def variables(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    """`env` of a container."""
    for index, variable in enumerate(given):
        name = variable.get("name") or ""
        if not name:
            found.append(fieldpath.required(f"{where}[{index}].name"))
        elif formats.env_name(name):
            formats.each(found, f"{where}[{index}].name", name, formats.env_name)
        source = variable.get("valueFrom")
        if source is not None:
            _value_from(found, f"{where}[{index}].valueFrom", source, bool(variable.get("value")))


def _value_from(found: fieldpath.ErrorList, where: str, source: Object, has_value: bool) -> None:
    count = 0
    if source.get("fieldRef") is not None:
        count += 1
        field_ref(found, where + ".fieldRef", source["fieldRef"], ENV_PATHS)
    if source.get("resourceFieldRef") is not None:
        count += 1
        resource_ref(found, where + ".resourceFieldRef", source["resourceFieldRef"], in_volume=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if source.get(name) is not None:
            count += 1
            _key_ref(found, f"{where}.{name}", source[name])
    if source.get("fileKeyRef") is not None:
        count += 1
        _file_ref(found, where + ".fileKeyRef", source["fileKeyRef"])
    if not count:
        found.append(fieldpath.invalid(where, "", NO_SOURCE))
    elif has_value:
        found.append(fieldpath.invalid(where, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        found.append(fieldpath.invalid(where, "", "may not have more than one field specified at a time"))


def _subscripted(path: str) -> tuple[str, str, bool]:
    head, bracket, key = path.removesuffix("']").partition("['")
    found = bool(bracket) and bool(head) and path.endswith("']")
    return (head, key, True) if found else (path, "", False)


def field_ref(found: fieldpath.ErrorList, where: str, given: Object, allowed: tuple[str, ...]) -> None:
    """A field of the Pod itself."""
    version, path = given.get("apiVersion") or "", given.get("fieldPath") or ""
    if not version or not path:
        found.append(fieldpath.required(where + (".fieldPath" if version else ".apiVersion")))
        return
    if path in allowed and version == "v1":
        return
    head, key, subscripted = _subscripted(path)
    wrong = ""
    if version != "v1":
        wrong = f"unsupported pod version: {version}"
    elif subscripted and head not in ("metadata.annotations", "metadata.labels"):
        wrong = f"field label does not support subscript: {path}"
    elif not subscripted and path not in _KNOWN_PATHS and path != "spec.host":
        wrong = f"field label not supported: {path}"
    if wrong:
        found.append(fieldpath.invalid(where + ".fieldPath", path, f"error converting fieldPath: {wrong}"))
    elif subscripted:
        name = key.lower() if head == "metadata.annotations" else key
        formats.each(found, where, name, formats.qualified_name)
    elif (head := "spec.nodeName" if path == "spec.host" else path) not in allowed:
        found.append(fieldpath.not_supported(where + ".fieldPath", head, allowed))


def resource_ref(found: fieldpath.ErrorList, where: str, given: Object, *, in_volume: bool) -> None:
    """An amount of resources of a container."""
    resource = given.get("resource") or ""
    if in_volume and not given.get("containerName"):
        found.append(fieldpath.required(where + ".containerName"))
    elif not resource:
        found.append(fieldpath.required(where + ".resource"))
    elif resource not in RESOURCES and not resource.startswith(HUGE_PAGES):
        found.append(fieldpath.not_supported(where + ".resource", resource, RESOURCES))
    divisor = formats.amount(given.get("divisor") or "0")
    if not divisor.nano:
        return
    kind = resource.partition(".")[2]
    text = ""
    if kind == "cpu" and str(divisor) not in ("1", "1m"):
        text = "only divisor's values 1m and 1 are supported with the cpu resource"
    elif str(divisor) not in BYTES and (kind in _DIVISOR_SUBJECTS or resource.startswith(HUGE_PAGES)):
        subject = _DIVISOR_SUBJECTS.get(kind, "hugepages")
        text = f"only divisor's values {', '.join(BYTES)} are supported with the {subject} resource"
    if text:
        found.append(fieldpath.invalid(where + ".divisor", resource, text))


def _key_ref(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    name, key = given.get("name") or "", given.get("key") or ""
    if formats.dns_subdomain(name):
        formats.each(found, where + ".name", name, formats.dns_subdomain)
    if not key or formats.config_key(key):
        formats.required_name(found, where + ".key", key, formats.config_key)


def _file_ref(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    formats.required_name(found, where + ".key", given.get("key"), formats.env_name)
    formats.required_name(found, where + ".volumeName", given.get("volumeName"), formats.dns_label)
    path = given.get("path") or ""
    if not path:
        found.append(fieldpath.required(where + ".path"))
    else:
        formats.back_steps(found, where + ".path", path)


def sources(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    """`envFrom` of a container."""
    for index, source in enumerate(given):
        prefix = source.get("prefix")
        if prefix:
            formats.each(found, f"{where}[{index}].prefix", prefix, formats.env_name)
        count = 0
        for kind in ("configMapRef", "secretRef"):
            if source.get(kind) is not None:
                count += 1
                # A prefix would do here too, upstream says: `a-` is as good as `a-b`.
                name = source[kind].get("name") or ""
                checked = name[:-2] + "a" if len(name) > 1 and name.endswith("-") else name
                place = f"{where}[{index}].{kind}.name"
                if not name:
                    found.append(fieldpath.required(place))
                for message in formats.dns_subdomain(checked) if name else ():
                    found.append(fieldpath.invalid(place, name, message))
        if not count:
            found.append(fieldpath.invalid(where, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif count > 1:
            found.append(fieldpath.invalid(where, "", "may not have more than one field specified at a time"))
