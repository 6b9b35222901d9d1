"""Security contexts of Pods and containers: users, profiles, privileges, what Windows knows of them.

Upstream: pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext, …). Pure.
"""

import re
from collections.abc import Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, goformat

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
FS_GROUP_CHANGES = ("Always", "OnRootMismatch")
GROUP_POLICIES = ("Merge", "Strict")
SELINUX_CHANGES = ("MountOption", "Recursive")
PROC_MOUNTS = ("Default", "Unmasked")
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
PATH_LENGTH = 4095
SYSCTL = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
SYSCTL_LENGTH = 253
NOT_ON_WINDOWS = "cannot be set for a windows pod"
MEMBERS = (
    "capabilities",
    "privileged",
    "seLinuxOptions",
    "windowsOptions",
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "readOnlyRootFilesystem",
    "allowPrivilegeEscalation",
    "procMount",
    "seccompProfile",
    "appArmorProfile",
)

_sysctl = re.compile(SYSCTL.removeprefix("^").removesuffix("$")).fullmatch


def container(found: fieldpath.ErrorList, where: str, given: Object, *, host_users: bool) -> None:
    """`securityContext` of a container."""
    for name in ("runAsUser", "runAsGroup"):
        formats.user_id(found, f"{where}.{name}", given.get(name))
    mount = given.get("procMount")
    if mount is not None:
        formats.supported(found, where + ".procMount", mount, PROC_MOUNTS)
        if host_users and mount == "Unmasked":
            text = "`hostUsers` must be false to use `Unmasked`"
            found.append(fieldpath.invalid(where + ".procMount", mount, text))
    seccomp(found, where + ".seccompProfile", given.get("seccompProfile"))
    if given.get("allowPrivilegeEscalation") is False:
        if given.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(fieldpath.invalid(where, _shown(given), text))
        for added in (given.get("capabilities") or {}).get("add") or ():
            if added == "CAP_SYS_ADMIN":
                text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
                found.append(fieldpath.invalid(where, _shown(given), text))
    if given.get("windowsOptions"):
        windows(found, where + ".windowsOptions", given["windowsOptions"])
    apparmor(found, where + ".appArmorProfile", given.get("appArmorProfile"))


def _shown(given: Object) -> goformat.Literal:
    """As Go prints its own struct: every member, by its Go name."""
    return goformat.Literal(
        goformat.to_json({name[0].upper() + name[1:]: _go(given.get(name)) for name in MEMBERS}).replace(
            '"SeLinux', '"SELinux'
        )
    )


def _go(value: object) -> object:
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: _go(one) for name, one in value.items()}
    return value


def pod(found: fieldpath.ErrorList, where: str, given: Object, spec: Object) -> None:
    """`securityContext` of a Pod."""
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        formats.user_id(found, f"{where}.{name}", given.get(name))
    for index, group in enumerate(given.get("supplementalGroups") or ()):
        formats.user_id(found, f"{where}.supplementalGroups[{index}]", group)
    if given.get("sysctls"):
        _sysctls(found, where + ".sysctls", given["sysctls"], spec)
    if given.get("fsGroupChangePolicy") is not None:
        formats.supported(found, where + ".fsGroupChangePolicy", given["fsGroupChangePolicy"], FS_GROUP_CHANGES)
    seccomp(found, where + ".seccompProfile", given.get("seccompProfile"))
    if given.get("windowsOptions"):
        windows(found, where + ".windowsOptions", given["windowsOptions"])
    apparmor(found, where + ".appArmorProfile", given.get("appArmorProfile"))
    if given.get("supplementalGroupsPolicy") is not None:
        place = where + ".supplementalGroupsPolicy"
        formats.supported(found, place, given["supplementalGroupsPolicy"], GROUP_POLICIES)
    if given.get("seLinuxChangePolicy") is not None:
        formats.supported(found, where + ".seLinuxChangePolicy", given["seLinuxChangePolicy"], SELINUX_CHANGES)


def _sysctls(found: fieldpath.ErrorList, where: str, given: Sequence[Object], spec: Object) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(given):
        place, name = f"{where}[{index}].name", sysctl.get("name") or ""
        if not name:
            found.append(fieldpath.required(place))
        elif len(name) > SYSCTL_LENGTH or not _sysctl(name):
            text = f"must have at most {SYSCTL_LENGTH} characters and match regex {SYSCTL}"
            found.append(fieldpath.invalid(place, name, text))
        elif name in seen:
            found.append(fieldpath.duplicate(place, name))
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            found.append(fieldpath.invalid(place, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and (
            dotted.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")) or dotted == "kernel.sem"
        ):
            found.append(fieldpath.invalid(place, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)


def seccomp(found: fieldpath.ErrorList, where: str, given: Object | None) -> None:
    """A seccomp profile."""
    if given is None:
        return
    kind, local = given.get("type") or "", given.get("localhostProfile")
    if not kind:
        found.append(fieldpath.required(where + ".type", "type is required when seccompProfile is set"))
    elif kind not in PROFILES:
        found.append(fieldpath.not_supported(where + ".type", kind, PROFILES))
    place = where + ".localhostProfile"
    if kind == "Localhost":
        if local is None:
            found.append(fieldpath.required(place, "must be set when seccomp type is Localhost"))
        else:
            formats.descending(found, place, local)
    elif local is not None:
        shown = {"Type": kind, "LocalhostProfile": local}
        found.append(fieldpath.invalid(place, shown, "can only be set when seccomp type is Localhost"))


def apparmor(found: fieldpath.ErrorList, where: str, given: Object | None) -> None:
    """An AppArmor profile."""
    if given is None:
        return
    kind, local, place = given.get("type") or "", given.get("localhostProfile"), where + ".localhostProfile"
    if kind == "Localhost":
        if (not (local or "").strip() and local == (local or "").strip()) or local is None:
            found.append(fieldpath.required(place, "must be set when AppArmor type is Localhost"))
        elif local != local.strip():
            found.append(fieldpath.invalid(place, local, "must not be padded with whitespace"))
        if len(local or "") > PATH_LENGTH:
            found.append(fieldpath.too_long(place, "", PATH_LENGTH))
    elif not kind:
        found.append(fieldpath.required(where + ".type", "type is required when appArmorProfile is set"))
    elif kind not in PROFILES:
        found.append(fieldpath.not_supported(where + ".type", kind, PROFILES))
    elif local is not None:
        found.append(fieldpath.invalid(place, local, "can only be set when AppArmor type is Localhost"))


def _matches(text: str) -> str:
    """The type of profile that an annotation names."""
    if text in ("runtime/default", "docker/default"):
        return "RuntimeDefault"
    return "Localhost" if text.startswith("localhost/") else "Unconfined" if text == "unconfined" else ""


def annotations_match(found: fieldpath.ErrorList, where: str, annotations: Object, spec: Object) -> None:
    """Old annotations may not contradict the fields that took their place."""
    if not any(name.startswith((SECCOMP_POD, SECCOMP_CONTAINER, APPARMOR)) for name in annotations):
        return
    context = spec.get("securityContext") or {}
    places = [
        (f"{where}.{field}[{index}]", one)
        for field in ("initContainers", "containers", "ephemeralContainers")
        for index, one in enumerate(spec.get(field) or ())
    ]
    checks = [(f"{where}.securityContext", SECCOMP_POD, context.get("seccompProfile"), "seccomp")]
    for place, one in places:
        own = one.get("securityContext") or {}
        name = SECCOMP_CONTAINER + str(one.get("name"))
        checks.append((place + ".securityContext", name, own.get("seccompProfile"), "seccomp"))
    if (spec.get("os") or {}).get("name") != "windows":
        for place, one in places:
            own = one.get("securityContext") or {}
            profile = own.get("appArmorProfile") or context.get("appArmorProfile")
            checks.append((place + ".securityContext", APPARMOR + str(one.get("name")), profile, "apparmor"))
    for place, name, profile, what in checks:
        text = annotations.get(name)
        if text is None or profile is None:
            continue
        place += ".seccompProfile" if what == "seccomp" else ".appArmorProfile"
        if profile.get("type") in PROFILES and _matches(text) != profile["type"]:
            found.append(fieldpath.forbidden(place + ".type", f"{what} type in annotation and field must match"))
        elif profile.get("type") == "Localhost" and text != f"localhost/{profile.get('localhostProfile')}":
            detail = f"{what} profile in annotation and field must match"
            found.append(fieldpath.forbidden(place + ".localhostProfile", detail))


_net_bios = re.compile(r'[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}').fullmatch
_windows_label = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_windows_domain = re.compile(rf"{_windows_label}(?:\.{_windows_label})*").fullmatch
_bad_user = re.compile(r'["/\\:;|=,\+\*\?<>@\[\]]').search
_control = re.compile(r"[\x00-\x1f\x7f]").search
SPEC_LENGTH = 64 * 1024


def windows(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """Options for Windows."""
    name = given.get("gmsaCredentialSpecName")
    if name is not None:
        formats.each(found, where + ".gmsaCredentialSpecName", name, formats.dns_subdomain)
    spec = given.get("gmsaCredentialSpec")
    if spec is not None and not 0 < len(spec) <= SPEC_LENGTH:
        text = (
            "gmsaCredentialSpec size must be under 64 KiB" if spec else "gmsaCredentialSpec cannot be an empty string"
        )
        found.append(fieldpath.invalid(where + ".gmsaCredentialSpec", spec, text))
    user = given.get("runAsUserName")
    for text in () if user is None else _user_name(user):
        found.append(fieldpath.invalid(where + ".runAsUserName", user, f"runAsUserName{text}"))


def _user_name(full: str) -> list[str]:
    if not full:
        return [" cannot be an empty string"]
    if _control(full):
        return [" cannot contain control characters"]
    if full.count("\\") > 1:
        return [" cannot contain more than one backslash"]
    domain, slash, user = full.rpartition("\\")
    found = []
    if len(domain) >= 256:
        found.append("'s Domain length must be under 256 characters")
    if slash and not (_net_bios(domain) or _windows_domain(domain)):
        found.append("'s Domain doesn't match the NetBios nor the DNS format")
    if not user:
        found.append("'s User cannot be empty")
    elif len(user) > 104:
        found.append("'s User length must not be longer than 104 characters")
    if user and not user.strip(". "):
        found.append("'s User cannot contain only periods or spaces")
    if _bad_user(user):
        found.append("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return found
