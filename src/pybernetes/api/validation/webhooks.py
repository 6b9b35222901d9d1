"""Configurations of admission webhooks, and how any webhook is reached.

Upstream: pkg/apis/admissionregistration/validation, k8s.io/apiserver/pkg/util/webhook/validation.go. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib import parse

from pybernetes.api.validation import formats, labels
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, names

REVIEW_VERSIONS = ("v1", "v1beta1")
FORM = "; desired format: https://host[/path]"
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
WITHOUT_SIDE_EFFECTS = ("None", "NoneOnDryRun")
SIDE_EFFECTS = (*WITHOUT_SIDE_EFFECTS, "Some", "Unknown")
WORDS = {"failurePolicy": ("Fail", "Ignore"), "matchPolicy": ("Equivalent", "Exact")}
MUTATING_WORDS = {"reinvocationPolicy": ("IfNeeded", "Never")}
STATIC = ".static.k8s.io"
RESERVED = f'names ending with "{STATIC}" are reserved for static manifest-based configurations and cannot be managed'


EXCLUDED = frozenset(
    (
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    )
)
"""What no webhook is asked about: one in the way of these could lock everybody out."""


def warnings(obj: Object, *, changed: bool) -> Iterator[str]:
    """Rules and names that have no effect."""
    if changed and (obj["metadata"].get("name") or "").endswith(STATIC):
        yield f"metadata.name: {RESERVED} via the API"
    for index, hook in enumerate(obj.get("webhooks") or ()):
        for at, rule in enumerate(hook.get("rules") or ()):
            groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
            if "*" in groups or "*" in resources:
                continue
            for group, resource in dict.fromkeys((group, resource) for group in groups for resource in resources):
                if (group, resource) in EXCLUDED:
                    text = "is excluded from admission webhooks; this rule will have no effect"
                    yield f"webhooks[{index}].rules[{at}]: {resource}.{group} {text}"


def configuration(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new MutatingWebhookConfiguration or ValidatingWebhookConfiguration."""
    _configuration(found, obj, ())
    name = obj["metadata"].get("name") or ""
    if name.endswith(STATIC):
        found.append(fieldpath.invalid("metadata.name", name, f"{RESERVED} via the API"))


def configuration_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A changed one: rules that the old one broke already do not hold."""
    _configuration(found, new, old.get("webhooks") or ())


def _configuration(found: fieldpath.ErrorList, obj: Object, old: Sequence[Object]) -> None:
    effects = WITHOUT_SIDE_EFFECTS if all(one.get("sideEffects") in WITHOUT_SIDE_EFFECTS for one in old) else None
    recognized = all(
        not one.get("admissionReviewVersions") or {*REVIEW_VERSIONS} & {*one["admissionReviewVersions"]} for one in old
    )
    unique = len({one.get("name") for one in old}) == len(old)
    seen: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        where, name = f"webhooks[{index}]", hook.get("name") or ""
        words = {**WORDS, **(MUTATING_WORDS if obj.get("kind") == "MutatingWebhookConfiguration" else {})}
        _webhook(found, where, hook, words, effects or SIDE_EFFECTS)
        place = f"{where}.admissionReviewVersions"
        review_versions(found, place, hook.get("admissionReviewVersions") or [], told=True, recognized=recognized)
        if unique and name in seen:
            found.append(fieldpath.duplicate(f"{where}.name", name))
        if name:
            seen.add(name)


def _webhook(
    found: fieldpath.ErrorList,
    where: str,
    hook: Object,
    words: Mapping[str, tuple[str, ...]],
    effects: tuple[str, ...],
) -> None:
    _qualified(found, f"{where}.name", hook.get("name") or "")
    for index, rule in enumerate(hook.get("rules") or ()):
        _rule(found, f"{where}.rules[{index}]", rule)
    for field in WORDS:
        formats.supported(found, f"{where}.{field}", hook.get(field), words[field])
    if hook.get("sideEffects") is None:
        found.append(fieldpath.required(f"{where}.sideEffects", f"must specify one of {', '.join(effects)}"))
    else:
        formats.supported(found, f"{where}.sideEffects", hook["sideEffects"], effects)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        found.append(fieldpath.invalid(f"{where}.timeoutSeconds", seconds, text))
    for field in ("namespaceSelector", "objectSelector"):
        labels.selector(found, f"{where}.{field}", hook.get(field))
    for field in words.keys() - WORDS.keys():
        formats.supported(found, f"{where}.{field}", hook.get(field), words[field])
    client(found, f"{where}.clientConfig", hook.get("clientConfig") or {})
    if hook.get("matchConditions"):
        text = "conditions in CEL are not supported by this server"
        found.append(fieldpath.forbidden(f"{where}.matchConditions", text))


def _dns1035_label(text: str) -> formats.Messages:
    return tuple(names.is_dns1035_label(text))


def _qualified(found: fieldpath.ErrorList, where: str, name: str) -> None:
    if not name:
        found.append(fieldpath.required(where))
    elif wrong := formats.dns_subdomain(name):
        found.append(fieldpath.invalid(where, name, ",".join(wrong)))
    elif name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        found.append(fieldpath.invalid(where, name, text))


def _rule(found: fieldpath.ErrorList, where: str, rule: Object) -> None:
    _alone(found, f"{where}.operations", rule.get("operations") or [], "operations")
    for index, one in enumerate(rule.get("operations") or ()):
        formats.supported(found, f"{where}.operations[{index}]", one, OPERATIONS)
    _alone(found, f"{where}.apiGroups", rule.get("apiGroups") or [], "API groups")
    _alone(found, f"{where}.apiVersions", rule.get("apiVersions") or [], "API versions")
    for index, one in enumerate(rule.get("apiVersions") or ()):
        if not one:
            found.append(fieldpath.required(f"{where}.apiVersions[{index}]"))
    _resources(found, f"{where}.resources", rule.get("resources") or [])
    if rule.get("scope") is not None:
        formats.supported(found, f"{where}.scope", rule["scope"], SCOPES)


def _alone(found: fieldpath.ErrorList, where: str, given: list[str], what: str) -> None:
    """A list that must not be empty, in which `*` has no company."""
    if not given:
        found.append(fieldpath.required(where))
    elif len(given) > 1 and "*" in given:
        found.append(fieldpath.invalid(where, given, f"if '*' is present, must not specify other {what}"))


def _resources(found: fieldpath.ErrorList, where: str, given: list[str]) -> None:
    if not given:
        found.append(fieldpath.required(where))
    whole: set[str] = set()
    everywhere: set[str] = set()
    plain = False
    for index, text in enumerate(given):
        place = f"{where}[{index}]"
        resource, slash, below = text.partition("/")
        if not text:
            found.append(fieldpath.required(place))
        elif not slash:
            plain = text != "*"
        else:
            for taken, known, shown in ((resource, whole, f"{resource}/*"), (below, everywhere, f"*/{below}")):
                if taken in known:
                    told = f"if '{shown}' is present, must not specify {text}"
                    found.append(fieldpath.invalid(place, text, told))
            if below == "*":
                whole.add(resource)
            if resource == "*":
                everywhere.add(below)
    if len(given) > 1 and "*/*" in given:
        found.append(fieldpath.invalid(where, given, "if '*/*' is present, must not specify other resources"))
    if "*" in given and plain:
        told = "if '*' is present, must not specify other resources without subresources"
        found.append(fieldpath.invalid(where, given, told))


def client(found: fieldpath.ErrorList, where: str, config: Object) -> None:
    """A clientConfig: a URL or a Service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        found.append(fieldpath.required(where, "exactly one of url or service is required"))
    elif url is not None:
        _url(found, f"{where}.url", url)
    elif service is not None:
        for name in ("name", "namespace"):
            if not service.get(name):
                found.append(fieldpath.required(f"{where}.service.{name}"))
        port = service.get("port") or 0
        if wrong := names.is_port_number(port):
            text = f"port is not valid: {', '.join(wrong)}"
            found.append(fieldpath.invalid(f"{where}.service.port", port, text))
        _path(found, f"{where}.service.path", service.get("path") or "")


def _url(found: fieldpath.ErrorList, where: str, url: str) -> None:
    try:
        parts = parse.urlsplit(url)
    except ValueError as problem:
        found.append(fieldpath.required(where, f"url must be a valid URL: {problem}{FORM}"))
        return
    if parts.scheme != "https":
        found.append(fieldpath.invalid(where, parts.scheme, f"'https' is the only allowed URL scheme{FORM}"))
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        found.append(fieldpath.invalid(where, "", f"host must be specified{FORM}"))
    for value, text in (
        (user, "user information is not permitted in the URL"),
        (parts.fragment, "fragments are not permitted in the URL"),
        (parts.query, "query parameters are not permitted in the URL"),
    ):
        if value:
            found.append(fieldpath.invalid(where, value, text))


def _path(found: fieldpath.ErrorList, where: str, path: str) -> None:
    if path in ("", "/"):
        return
    if path == "//":
        found.append(fieldpath.invalid(where, path, "segment[0] may not be empty"))
        return
    if not path.startswith("/"):
        found.append(fieldpath.invalid(where, path, "must start with a '/'"))
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        for text in formats.dns_subdomain(step) if step else (" may not be empty",):
            told = f"segment[{index}]: {text}" if step else f"segment[{index}]{text}"
            found.append(fieldpath.invalid(where, path, told))


def review_versions(
    found: fieldpath.ErrorList, where: str, versions: list[str], *, told: bool = False, recognized: bool = True
) -> None:
    """In which versions a webhook may be asked; `told` says them where there is none."""
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        found.append(fieldpath.required(where, f"must specify one of {known}" if told else ""))
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            found.append(fieldpath.invalid(f"{where}[{index}]", version, "duplicate version"))
        else:
            formats.each(found, f"{where}[{index}]", version, _dns1035_label)
    if recognized and not {*REVIEW_VERSIONS} & {*versions}:
        found.append(fieldpath.invalid(where, versions, f"must include at least one of {known}"))
