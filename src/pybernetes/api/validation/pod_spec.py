"""Pod specs, in Pods and in templates.

Budget: 150 us for a Pod of 3.6 KB (tests/bench/validation.py). Nothing is put together for a place where nothing is
wrong, and what an author left out is not looked at twice.

Upstream: pkg/apis/core/validation (ValidatePodSpec, ValidatePodTemplateSpec). Pure.
"""

from collections.abc import Iterator, Sequence

from pybernetes.api.validation import affinity, container, formats, labels, resources, security, volumes
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, meta, quantity

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
SYSTEMS = ("linux", "windows")
NOT_ON_WINDOWS = security.NOT_ON_WINDOWS
WINDOWS_POD = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
WINDOWS_CONTAINER = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
MAX_INT32 = 2**31 - 1
NAMES = {
    "nodeName": formats.dns_subdomain,
    "hostname": formats.dns_label,
    "subdomain": formats.dns_label,
    "priorityClassName": formats.dns_subdomain,
    "runtimeClassName": formats.dns_subdomain,
}


def every_container(spec: Object, where: str) -> Iterator[tuple[str, Object]]:
    """All containers of a spec with their places."""
    for field in CONTAINERS:
        for index, one in enumerate(spec.get(field) or ()):
            yield f"{where}.{field}[{index}]", one


def pod_spec(
    found: fieldpath.ErrorList, where: str, spec: Object, metadata: Object | None, *, is_pod: bool = True
) -> None:
    """Everything wrong with a spec; `metadata` is the Pod's, None for a template's."""
    get = spec.get
    grace = get("terminationGracePeriodSeconds")
    if grace is None:
        found.append(fieldpath.required(where + ".terminationGracePeriodSeconds"))
    good = volumes.volumes(found, where + ".volumes", get("volumes") or (), metadata)
    claims = [one["name"] for one in get("resourceClaims") or () if one.get("name")]
    if get("resourceClaims"):
        _resource_claims(found, where + ".resourceClaims", spec["resourceClaims"], metadata)
    os = get("os")
    around = container.Surroundings(
        volumes=good,
        claims=claims,
        grace=grace,
        restart_policy=get("restartPolicy") or "",
        os=None if os is None else os.get("name") or "",
        host_users=get("hostUsers") is not False,
    )
    container.containers(found, where + ".containers", get("containers"), around)
    if get("initContainers"):
        container.init_containers(found, where + ".initContainers", spec, around)
    if get("ephemeralContainers"):
        container.ephemeral_containers(found, where + ".ephemeralContainers", spec, around)
    if get("resources") is not None:
        _pod_resources(found, where + ".resources", spec, claims)
    if get("hostNetwork"):
        _host_network(found, where + ".containers", spec, is_pod=is_pod)
    _policies(found, where, spec)
    _placement(found, where, spec)
    _names(found, where, spec)
    if get("tolerations"):
        affinity.tolerations(found, where + ".tolerations", spec["tolerations"])
    _rest(found, where, spec)


def _policies(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    get = spec.get
    if get("restartPolicy") not in RESTART_POLICIES:
        formats.one_of(found, where + ".restartPolicy", get("restartPolicy"), RESTART_POLICIES)
    if get("dnsPolicy") not in DNS_POLICIES:
        formats.one_of(found, where + ".dnsPolicy", get("dnsPolicy"), DNS_POLICIES)
    if get("nodeSelector"):
        labels.label_set(found, where + ".nodeSelector", spec["nodeSelector"])
    if get("securityContext"):
        security.pod(found, where + ".securityContext", spec["securityContext"], spec)
    if get("shareProcessNamespace") and get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(fieldpath.invalid(where + ".shareProcessNamespace", True, text))


def _placement(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    get = spec.get
    if get("affinity"):
        affinity.affinity(found, where + ".affinity", spec["affinity"])
    if get("dnsConfig") is not None or get("dnsPolicy") == "None":
        _dns_config(found, where + ".dnsConfig", get("dnsConfig"), get("dnsPolicy") or "")
    for index, gate in enumerate(get("readinessGates") or ()):
        place, name = f"{where}.readinessGates[{index}].conditionType", gate.get("conditionType") or ""
        formats.each(found, place, name, formats.qualified_name)
    if get("schedulingGates"):
        seen: set[str] = set()
        for index, gate in enumerate(spec["schedulingGates"]):
            place, name = f"{where}.schedulingGates[{index}]", gate.get("name") or ""
            formats.each(found, place, name, formats.qualified_name)
            if name in seen:
                found.append(fieldpath.duplicate(place, name))
            seen.add(name)
    if get("topologySpreadConstraints"):
        affinity.spread(found, where + ".topologySpreadConstraints", spec["topologySpreadConstraints"])
    _host_processes(found, where, spec)
    if get("hostUsers") is False:
        for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if get(field):
                found.append(fieldpath.forbidden(f"{where}.{shown}", "when `hostUsers` is false"))
        for place, one in every_container(spec, where):
            if one.get("volumeDevices"):
                found.append(fieldpath.forbidden(place + ".volumeDevices", "when `hostUsers` is false"))


def _names(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    get = spec.get
    override = get("hostnameOverride")
    if override is not None:
        place = where + ".hostnameOverride"
        if get("setHostnameAsFQDN"):
            text = "may not be specified when setHostnameAsFQDN is true"
            found.append(fieldpath.forbidden(place, text))
        if get("hostNetwork"):
            found.append(fieldpath.forbidden(place, "may not be specified when hostNetwork is true"))
        if len(override) > 64:
            found.append(fieldpath.too_long(place, "", 64))
        formats.each(found, place, override, formats.dns_subdomain)
    account = get("serviceAccountName") or ""
    if account and formats.dns_subdomain(account):
        formats.each(found, where + ".serviceAccountName", account, formats.dns_subdomain)
    if (get("serviceAccount") or "") != account:
        text = f'must be the same as serviceAccountName: "{account}"'
        found.append(fieldpath.invalid(where + ".deprecatedServiceAccount", get("serviceAccount") or "", text))
    for field, check in NAMES.items():
        value = get(field)
        if value and check(value):
            formats.each(found, f"{where}.{field}", value, check)
    deadline = get("activeDeadlineSeconds")
    if deadline is not None:
        formats.in_range(found, where + ".activeDeadlineSeconds", deadline, 1, MAX_INT32)


def _rest(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    get = spec.get
    for index, alias in enumerate(get("hostAliases") or ()):
        place = f"{where}.hostAliases[{index}]"
        formats.each(found, place + ".ip", alias.get("ip") or "", formats.ip_legacy)
        for at, name in enumerate(alias.get("hostnames") or ()):
            formats.each(found, f"{place}.hostnames[{at}]", name, formats.dns_subdomain)
    policy = get("preemptionPolicy")
    if policy is not None and policy not in PREEMPTION_POLICIES:
        formats.one_of(found, where + ".preemptionPolicy", policy, PREEMPTION_POLICIES)
    if get("overhead") is not None:
        resources.requirements(found, where + ".overhead", {"limits": spec["overhead"]})
    if get("os") is not None:
        _system(found, where, spec)
    _file_keys(found, where, spec)


def _resource_claims(found: fieldpath.ErrorList, where: str, claims: Sequence[Object], metadata: Object | None) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        place, name = f"{where}[{index}]", claim.get("name") or ""
        if meta.ANNOTATION_MIRROR in ((metadata or {}).get("annotations") or {}):
            found.append(fieldpath.forbidden("", "static pods do not support resource claims"))
            continue
        if not name:
            found.append(fieldpath.required(place + ".name"))
        elif name in seen:
            found.append(fieldpath.duplicate(place + ".name", name))
        else:
            formats.each(found, place + ".name", name, formats.dns_label)
            seen.add(name)
        sources = [claim.get(field) for field in ("resourceClaimName", "resourceClaimTemplateName")]
        shown = {"Name": name, "ResourceClaimName": sources[0], "ResourceClaimTemplateName": sources[1]}
        if None not in sources:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            found.append(fieldpath.invalid(place, shown, text))
        if sources == [None, None]:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            found.append(fieldpath.invalid(place, shown, text))
        for field, value in zip(("resourceClaimName", "resourceClaimTemplateName"), sources, strict=True):
            if value is not None:
                formats.each(found, f"{place}.{field}", value, formats.dns_subdomain)


def _host_network(found: fieldpath.ErrorList, where: str, spec: Object, *, is_pod: bool) -> None:
    for index, one in enumerate(spec.get("containers") or ()):
        for at, port in enumerate(one.get("ports") or ()):
            host, inner = port.get("hostPort", 0), port.get("containerPort", 0)
            if host != inner and (is_pod or host):
                text = "must match `containerPort` when `hostNetwork` is true"
                found.append(fieldpath.invalid(f"{where}[{index}].ports[{at}].hostPort", host, text))


def _dns_config(found: fieldpath.ErrorList, where: str, config: Object | None, policy: str) -> None:
    servers = (config or {}).get("nameservers") or []
    if policy == "None" and config is None:
        found.append(fieldpath.required(where, "must provide `dnsConfig` when `dnsPolicy` is None"))
        return
    if policy == "None" and not servers:
        text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        found.append(fieldpath.required(where + ".nameservers", text))
        return
    assert config is not None
    if len(servers) > 3:
        found.append(fieldpath.invalid(where + ".nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        formats.each(found, f"{where}.nameservers[{index}]", server, formats.ip_legacy)
    searches = config.get("searches") or []
    if len(searches) > 32:
        found.append(fieldpath.invalid(where + ".searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        found.append(fieldpath.invalid(where + ".searches", searches, text))
    for index, search in enumerate(searches):
        if search != ".":
            plain = search.removesuffix(".")
            formats.each(found, f"{where}.searches[{index}]", plain, formats.dns_subdomain_underscore)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(fieldpath.required(f"{where}.options[{index}]", "must not be empty"))


def _host_processes(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    own = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    states = [
        (place, ((one.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess"))
        for place, one in every_container(spec, where)
        if own is not None or one.get("securityContext")
    ]
    if own is None and all(state is None for _, state in states):
        return
    for place, state in states:
        if own is not None and state is not None and own != state:
            text = f"pod hostProcess value must be identical if both are specified, was {str(own).lower()}"
            found.append(fieldpath.invalid(place + ".securityContext.windowsOptions.hostProcess", state, text))
    count = sum(bool(own if state is None else state) for _, state in states)
    if not count:
        return
    if count != sum(1 for _ in every_container(spec, where)):
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        found.append(fieldpath.invalid(where, "", text))
    if not spec.get("hostNetwork"):
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        found.append(fieldpath.invalid(where + ".hostNetwork", False, text))


def _system(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    name = spec["os"].get("name") or ""
    if not name:
        found.append(fieldpath.required(where + ".os.name"))
    elif name not in SYSTEMS:
        found.append(fieldpath.not_supported(where + ".os", name, SYSTEMS))
    elif name == "linux":
        text = "windows options cannot be set for a linux pod"
        for place, one in ((where, spec), *every_container(spec, where)):
            if (one.get("securityContext") or {}).get("windowsOptions") is not None:
                found.append(fieldpath.forbidden(place + ".securityContext.windowsOptions", text))
    else:
        _windows(found, where, spec)


def _windows(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    own = spec.get("securityContext") or {}
    for field in WINDOWS_POD:
        if own.get(field) is not None and own[field] != []:
            found.append(fieldpath.forbidden(f"{where}.securityContext.{field}", NOT_ON_WINDOWS))
    for field in ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"):
        value = spec.get(field)
        if value or (value is False and field in ("hostUsers", "shareProcessNamespace")):
            found.append(fieldpath.forbidden(f"{where}.{field}", NOT_ON_WINDOWS))
    for place, one in every_container(spec, where):
        context = one.get("securityContext") or {}
        for field in WINDOWS_CONTAINER:
            if context.get(field) is not None:
                found.append(fieldpath.forbidden(f"{place}.securityContext.{field}", NOT_ON_WINDOWS))


def _file_keys(found: fieldpath.ErrorList, where: str, spec: Object) -> None:
    """Variables that come from a file name an emptyDir volume of the Pod."""
    for field in CONTAINERS:
        for index, one in enumerate(spec.get(field) or ()):
            for at, variable in enumerate(one.get("env") or ()):
                source = variable.get("valueFrom")
                if not source or source.get("fileKeyRef") is None:
                    continue
                name = source["fileKeyRef"].get("volumeName") or ""
                place = f"{where}.{field}[{index}].env[{at}].valueFrom.fileKeyRef.volumeName"
                volume = next((two for two in spec.get("volumes") or () if two.get("name") == name), None)
                if volume is None:
                    found.append(fieldpath.not_found(place, name))
                elif volume.get("emptyDir") is None:
                    found.append(fieldpath.invalid(place, name, "referenced volume must be of type emptyDir"))


def _pod_resources(found: fieldpath.ErrorList, where: str, spec: Object, claims: Sequence[str]) -> None:
    given = spec["resources"]
    if (spec.get("os") or {}).get("name") == "windows":
        found.append(fieldpath.forbidden(where, "may not be set for a windows pod"))
        return
    if given.get("claims") is not None:
        found.append(fieldpath.forbidden(where + ".claims", "claims may not be set for Resources at pod-level"))
    resources.requirements(found, where, given, claims, resources.pod_resource_name)
    for field in ("requests", "limits"):
        for name, total in _aggregate(spec, field).items():
            if field == "limits" and not name.startswith(resources.HUGE_PAGES):
                continue
            mine = (given.get(field) or {}).get(name)
            if mine is not None and total > formats.amount(mine):
                text = f"must be greater than or equal to aggregate container {field} of {total}"
                found.append(fieldpath.invalid(f"{where}.{field}[{name}]", str(formats.amount(mine)), text))
    most = given.get("limits") or {}
    for index, one in enumerate(spec.get("containers") or ()):
        for name, value in ((one.get("resources") or {}).get("limits") or {}).items():
            if name in most and formats.amount(value) > formats.amount(most[name]):
                text = f"must be less than or equal to pod limits of {formats.amount(most[name])}"
                place = f"{where}.containers[{index}][{name}].limits"
                found.append(fieldpath.invalid(place, str(formats.amount(value)), text))


def _aggregate(spec: Object, field: str) -> dict[str, quantity.Quantity]:
    """What all containers ask for together, as the scheduler counts it."""
    running: dict[str, quantity.Quantity] = {}
    starting: dict[str, quantity.Quantity] = {}
    sidecars: dict[str, quantity.Quantity] = {}
    for one in spec.get("initContainers") or ():
        asked = _amounts(one, field)
        if one.get("restartPolicy") == "Always":
            _add(running, asked)
            _add(sidecars, asked)
            asked = dict(sidecars)
        else:
            _add(asked, sidecars)
        for name, value in asked.items():
            starting[name] = max(starting.get(name, quantity.ZERO), value)
    for one in spec.get("containers") or ():
        _add(running, _amounts(one, field))
    for name, value in starting.items():
        running[name] = max(running.get(name, quantity.ZERO), value)
    return running


def _amounts(one: Object, field: str) -> dict[str, quantity.Quantity]:
    return {name: formats.amount(value) for name, value in ((one.get("resources") or {}).get(field) or {}).items()}


def _add(total: dict[str, quantity.Quantity], more: dict[str, quantity.Quantity]) -> None:
    for name, value in more.items():
        total[name] = total[name] + value if name in total else value
