"""Containers of every sort: what they share, and what only some may have.

Upstream: pkg/apis/core/validation (validateContainerCommon, validateInitContainers, validateEphemeralContainers). Pure.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from pybernetes.api.validation import env, formats, mounts, probe, resources, security
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RULE_ACTIONS = ("Restart", "RestartAllContainers")
RESIZE_RESTARTS = ("NotRequired", "RestartContainer")
SIDECARS_ONLY = "may not be set for init containers without restartPolicy=Always"
NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
NOT_IN_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@dataclasses.dataclass(slots=True)
class Surroundings:
    """What a container's rules depend on besides the container."""

    volumes: Mapping[str, Object]
    claims: Sequence[str]
    grace: int | None
    restart_policy: str
    os: str | None
    host_users: bool


def containers(found: fieldpath.ErrorList, where: str, given: Sequence[Object] | None, around: Surroundings) -> None:
    """`containers` of a pod spec: at least one."""
    if not given:
        found.append(fieldpath.required(where))
        return
    seen: set[str] = set()
    for index, one in enumerate(given):
        place, name = f"{where}[{index}]", one.get("name") or ""
        common(found, place, one, around)
        if name in seen:
            found.append(fieldpath.duplicate(place + ".name", name))
        seen.add(name)
        _hooks_and_probes(found, place, one, around)
        if one.get("restartPolicy") is not None or one.get("restartPolicyRules"):
            _restart_rules(found, place, one)
    _host_ports(found, where, given)


def init_containers(found: fieldpath.ErrorList, where: str, spec: Object, around: Surroundings) -> None:
    """`initContainers`: names of their own, and probes only where they go on running."""
    seen = {one.get("name") or "" for one in spec.get("containers") or ()}
    for index, one in enumerate(spec["initContainers"]):
        place, name, policy = f"{where}[{index}]", one.get("name") or "", one.get("restartPolicy")
        common(found, place, one, around)
        if policy is not None or one.get("restartPolicyRules"):
            _restart_rules(found, place, one)
        if name in seen:
            found.append(fieldpath.duplicate(place + ".name", name))
        elif name:
            seen.add(name)
        _host_ports(found, where, (one,))
        if policy == "Always":
            _hooks_and_probes(found, place, one, around)
            continue
        for field in ("lifecycle", *PROBES):
            if one.get(field) is not None:
                found.append(fieldpath.forbidden(f"{place}.{field}", SIDECARS_ONLY))
        for at, resize in enumerate(one.get("resizePolicy") or ()):
            if resize.get("restartPolicy") == "RestartContainer":
                text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                wrong = f"{place}.resizePolicy[{at}].restartPolicy"
                found.append(fieldpath.invalid(wrong, resize["restartPolicy"], text))


def ephemeral_containers(found: fieldpath.ErrorList, where: str, spec: Object, around: Surroundings) -> None:
    """`ephemeralContainers`: for looking around, not for serving."""
    others = {one.get("name") for field in ("containers", "initContainers") for one in spec.get(field) or ()}
    seen = set(others)
    for index, one in enumerate(spec["ephemeralContainers"]):
        place, name = f"{where}[{index}]", one.get("name") or ""
        common(found, place, one, around)
        padded_image(found, place, one)
        if name in seen:
            found.append(fieldpath.duplicate(place + ".name", name))
        seen.add(name)
        target = one.get("targetContainerName")
        if target and target not in others:
            found.append(fieldpath.not_found(place + ".targetContainerName", target))
        for field in NOT_IN_EPHEMERAL:
            if one.get(field):
                found.append(fieldpath.forbidden(f"{place}.{field}", NOT_EPHEMERAL))
        for at, mount in enumerate(one.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    found.append(fieldpath.forbidden(f"{place}.volumeMounts[{at}].{field}", NOT_EPHEMERAL))


def common(found: fieldpath.ErrorList, where: str, given: Object, around: Surroundings) -> None:
    """What holds for all sorts."""
    get = given.get
    name = get("name") or ""
    if not name or formats.dns_label(name):
        formats.required_name(found, where + ".name", name, formats.dns_label)
    if not get("image"):
        found.append(fieldpath.required(where + ".image"))
    if get("terminationMessagePolicy") not in MESSAGE_POLICIES:
        place = where + ".terminationMessagePolicy"
        formats.one_of(found, place, get("terminationMessagePolicy"), MESSAGE_POLICIES)
    if get("ports"):
        _ports(found, where + ".ports", given["ports"])
    if get("env"):
        env.variables(found, where + ".env", given["env"])
    if get("envFrom"):
        env.sources(found, where + ".envFrom", given["envFrom"])
    if get("volumeMounts"):
        mounts.mounts(found, where + ".volumeMounts", given, around.volumes)
    if get("volumeDevices"):
        mounts.devices(found, where + ".volumeDevices", given, around.volumes)
    if get("imagePullPolicy") not in PULL_POLICIES:
        formats.one_of(found, where + ".imagePullPolicy", get("imagePullPolicy"), PULL_POLICIES)
    if get("resources"):
        resources.requirements(found, where + ".resources", given["resources"], around.claims)
    if get("resizePolicy"):
        _resize_policy(found, where + ".resizePolicy", given["resizePolicy"], around.restart_policy)
    if get("securityContext"):
        place = where + ".securityContext"
        security.container(found, place, given["securityContext"], host_users=around.host_users)


def padded_image(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """The name of an image has no blanks around it (in templates it may, upstream finds)."""
    image = given.get("image") or ""
    if image != image.strip():
        found.append(fieldpath.invalid(where + ".image", image, "must not have leading or trailing whitespace"))


def _hooks_and_probes(found: fieldpath.ErrorList, where: str, given: Object, around: Surroundings) -> None:
    if given.get("lifecycle") is not None:
        probe.lifecycle(found, where + ".lifecycle", given["lifecycle"], around.grace, around.os)
    if given.get("livenessProbe") is not None:
        probe.liveness(found, where + ".livenessProbe", given["livenessProbe"], around.grace)
    if given.get("readinessProbe") is not None:
        probe.readiness(found, where + ".readinessProbe", given["readinessProbe"], around.grace)
    if given.get("startupProbe") is not None:
        probe.liveness(found, where + ".startupProbe", given["startupProbe"], around.grace)


def _ports(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(given):
        name, number, host = port.get("name"), port.get("containerPort", 0), port.get("hostPort", 0)
        if name:
            if formats.port_name(name):
                formats.each(found, f"{where}[{index}].name", name, formats.port_name)
            elif name in seen:
                found.append(fieldpath.duplicate(f"{where}[{index}].name", name))
            else:
                seen.add(name)
        if not number:
            found.append(fieldpath.required(f"{where}[{index}].containerPort"))
        elif not 1 <= number <= 65535:
            formats.port_number(found, f"{where}[{index}].containerPort", number)
        if host and not 1 <= host <= 65535:
            formats.port_number(found, f"{where}[{index}].hostPort", host)
        if port.get("protocol") not in PROTOCOLS:
            formats.one_of(found, f"{where}[{index}].protocol", port.get("protocol"), PROTOCOLS)


def _host_ports(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    taken: set[str] = set()
    for index, one in enumerate(given):
        for at, port in enumerate(one.get("ports") or ()):
            if port.get("hostPort"):
                text = f"{port.get('protocol', '')}/{port.get('hostIP') or ''}/{port['hostPort']}"
                if text in taken:
                    found.append(fieldpath.duplicate(f"{where}[{index}].ports[{at}].hostPort", text))
                taken.add(text)


def _resize_policy(found: fieldpath.ErrorList, where: str, given: Sequence[Object], restart: str) -> None:
    seen: set[str] = set()
    for index, one in enumerate(given):
        name, policy = one.get("resourceName") or "", one.get("restartPolicy") or ""
        if name in seen:
            found.append(fieldpath.duplicate(f"{where}[{index}]", name))
        seen.add(name)
        formats.one_of(found, where, name, ("cpu", "memory"))
        formats.one_of(found, where, policy, RESIZE_RESTARTS)
        if restart == "Never" and policy != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            found.append(fieldpath.invalid(where, policy, text))


def _restart_rules(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    policy, rules = given.get("restartPolicy"), given.get("restartPolicyRules") or ()
    if policy is None:
        text = "must specify restartPolicy when restart rules are used"
        found.append(fieldpath.required(where + ".restartPolicy", text))
    else:
        formats.supported(found, where + ".restartPolicy", policy, RESTART_POLICIES)
    if len(rules) > 20:
        found.append(fieldpath.too_many(where + ".restartPolicyRules", len(rules), 20))
    for index, rule in enumerate(rules):
        place = f"{where}.restartPolicyRules[{index}]"
        formats.supported(found, place + ".action", rule.get("action"), RULE_ACTIONS)
        codes = rule.get("exitCodes")
        if codes is None:
            found.append(fieldpath.required(place + ".exitCodes", "must be specified"))
            continue
        formats.supported(found, place + ".exitCodes.operator", codes.get("operator"), ("In", "NotIn"))
        if len(codes.get("values") or ()) > 255:
            found.append(fieldpath.too_many(place + ".exitCodes.values", len(codes["values"]), 255))
