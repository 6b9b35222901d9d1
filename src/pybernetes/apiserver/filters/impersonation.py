"""Act as somebody else: `Impersonate-User`, `-Group`, `-Uid` and `-Extra-…` headers, each of which must be allowed.

Path: 4 who are you.
Upstream: k8s.io/apiserver/pkg/endpoints/filters/impersonation.
"""

import urllib.parse

from pybernetes.apimachinery import errors, goformat
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import service_account
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.filters import authorization
from pybernetes.http import messages

USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
NAMED = (USER, GROUP, UID)
ACCOUNT = "system:serviceaccount:"


class Impersonation:
    """The filter."""

    def __init__(self, authorizer: questions.Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(self, context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
        """Replace the user by the one named in the headers, once each part is allowed."""
        headers = context.request.headers
        asked = (
            [name for name in headers.names() if name in NAMED or name.startswith(EXTRA)]
            if impersonates(headers)
            else []
        )
        if asked:
            context.user, context.impersonator = self._impersonate(context, asked), context.user
        return await proceed(context)

    def _impersonate(self, context: contexts.RequestContext, names: list[str]) -> users.UserInfo:
        headers, real = context.request.headers, context.user
        assert real is not None
        name = headers.get(USER)
        if not name:
            raise errors.BadRequest(f"requested {_as_go(headers, names)} without impersonating a user name")
        if name.startswith(ACCOUNT):
            namespace, _, short = name.removeprefix(ACCOUNT).partition(":")
            self._check(real, "serviceaccounts", short, namespace=namespace)
        else:
            self._check(real, "users", name)
        groups = headers.get_all(GROUP)
        for group in groups:
            self._check(real, "groups", group)
        uid = headers.get(UID) or ""
        if uid:
            self._check(real, "uids", uid, group="authentication.k8s.io")
        extra: dict[str, tuple[str, ...]] = {}
        for header in names:
            if header.startswith(EXTRA):
                key = urllib.parse.unquote(header.removeprefix(EXTRA))
                extra[key] = tuple(headers.get_all(header))
                for value in extra[key]:
                    self._check(real, "userextras", value, group="authentication.k8s.io", subresource=key)
        return users.UserInfo(name, _all_groups(name, tuple(groups)), uid, extra)

    def _check(
        self,
        real: users.UserInfo,
        resource: str,
        name: str,
        *,
        namespace: str = "",
        group: str = "",
        subresource: str = "",
    ) -> None:
        asked = questions.Attributes(
            real,
            "impersonate",
            group=group,
            version="v1",
            resource=resource,
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
        decision = self._authorizer.authorize(asked)
        if decision.verdict is not questions.Verdict.ALLOW:
            raise authorization.refusal(asked, decision.reason)


def _as_go(headers: messages.Headers, names: list[str]) -> str:
    """The identity asked for without a name, as upstream prints it."""
    uid, groups = goformat.quote(headers.get(UID) or ""), headers.get_all(GROUP)
    extra = {name.removeprefix(EXTRA): headers.get_all(name) for name in sorted(names) if name.startswith(EXTRA)}
    shown = ", ".join(f"{goformat.quote(key)}:{_strings(values)}" for key, values in extra.items())
    members = f"{{{shown}}}" if extra else "(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{uid}, Groups:{_strings(groups)}, Extra:map[string][]string{members}}}'


def _strings(values: list[str]) -> str:
    return "[]string" + (f"{{{', '.join(map(goformat.quote, values))}}}" if values else "(nil)")


def impersonates(headers: messages.Headers) -> bool:
    """Whether any impersonation header is there (cheap: most requests have none)."""
    return any(raw[:12].lower() == b"impersonate-" for raw, _ in headers.raw)


def _all_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    if name == users.ANONYMOUS:
        return groups if users.UNAUTHENTICATED in groups else (*groups, users.UNAUTHENTICATED)
    if name.startswith(ACCOUNT) and not groups:
        namespace = name.removeprefix(ACCOUNT).partition(":")[0]
        groups = (service_account.GROUP, f"{service_account.GROUP}:{namespace}")
    return groups if users.AUTHENTICATED in groups else (*groups, users.AUTHENTICATED)
