"""POST …/serviceaccounts/NAME/token: a token for a service account, bound to a Pod, Secret or Node if asked.

Upstream: pkg/registry/core/serviceaccount/storage/token.go.
"""

import datetime
from typing import Any

from pybernetes.apimachinery import errors, fieldpath, gvk, timestamps
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import service_account
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, options, present

Object = dict[str, Any]

MINIMUM = 600
MAXIMUM = 2**32
DEFAULT = 3600
BINDABLE = {("v1", "Pod"): ("pods", "pod"), ("v1", "Secret"): ("secrets", "secret"), ("v1", "Node"): ("nodes", "node")}
SPEC = fieldpath.Path("spec")
REQUEST = "TokenRequest.authentication.k8s.io"
ACCOUNTS = gvk.GroupResource("", "serviceaccounts")


async def create(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Issue the token; 201 with the request completed."""
    tokens = context.server.accounts
    if tokens is None:
        raise errors.ServiceUnavailable("this server has no key to sign service account tokens with")
    request = decode.read(context, gvk.GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"))
    spec = request.setdefault("spec", {})
    info = context.info
    facts = request.get("metadata") or {}
    for field, wanted in (("name", info.name), ("namespace", info.namespace)):
        if facts.get(field) and facts[field] != wanted:
            path = fieldpath.Path("metadata").child(field)
            text = f"must match the service account {field} if specified"
            raise errors.Invalid(REQUEST, info.name, [fieldpath.invalid(path, facts[field], text)])
    account = await store.find(info.namespace, info.name)
    if account is None:
        raise errors.NotFound(ACCOUNTS, info.name)
    uid = account.object()["metadata"]["uid"]
    if facts.get("uid") and facts["uid"] != uid:
        text = f"the UID in the token request ({facts['uid']}) does not match the UID of the service account ({uid})"
        raise errors.Conflict(gvk.GroupResource("authentication.k8s.io", "TokenRequest"), info.name, text)
    _check(spec)
    op = options.write(context, "CreateOptions")
    spec["expirationSeconds"] = spec.get("expirationSeconds") or DEFAULT
    asked = store.attributes(op, "CREATE", request, None)
    await store.environment.admission.admit(asked)
    request = asked.object or {}
    spec = request["spec"]
    seconds = spec["expirationSeconds"]
    audiences = spec["audiences"] = spec.get("audiences") or [*tokens.audiences]
    request["metadata"] = {
        "name": info.name,
        "namespace": info.namespace,
        "uid": uid,
        "creationTimestamp": timestamps.format_time(context.clock.now()),
    }
    await store.environment.admission.validate(asked)
    bindings = await _bindings(context, spec.get("boundObjectRef"))
    text, expires = tokens.issue(account.object(), audiences=tuple(audiences), seconds=seconds, bindings=bindings)
    moment = datetime.datetime.fromtimestamp(expires, datetime.UTC)
    request["status"] = {"token": text, "expirationTimestamp": timestamps.format_time(moment)}
    return present.value(context, request, 201)


def _check(spec: Object) -> None:
    path, seconds = SPEC.child("expirationSeconds"), spec.get("expirationSeconds")
    if seconds is None:
        return
    problem = ""
    if seconds < MINIMUM:
        problem = "may not specify a duration less than 10 minutes"
    elif seconds > MAXIMUM:
        problem = "may not specify a duration larger than 2^32 seconds"
    if problem:
        raise errors.Invalid(REQUEST, "", [fieldpath.invalid(path, seconds, problem)])


async def _bindings(context: contexts.RequestContext, reference: Object | None) -> tuple[service_account.Binding, ...]:
    if not reference:
        return ()
    bindable = BINDABLE.get((reference.get("apiVersion", ""), reference.get("kind", "")))
    if bindable is None:
        kind = gvk.GroupVersionKind("", reference.get("apiVersion", ""), reference.get("kind", ""))
        raise errors.BadRequest(f"cannot bind token to object of type {kind}")
    resource, field = bindable
    namespace = "" if field == "node" else context.info.namespace
    name = reference.get("name", "")
    found = await context.server.stores.get("", resource, namespace, name)
    if found is None:
        raise errors.NotFound(gvk.GroupResource("", resource), name)
    uid = found["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        text = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
        text += "The object might have been deleted and then recreated"
        raise errors.Conflict(gvk.GroupResource("", reference["kind"]), name, text)
    if field == "pod" and found["spec"].get("serviceAccountName") != context.info.name:
        about = "to pod running with different serviceaccount name."
        raise errors.BadRequest(f'cannot bind token for serviceaccount "{context.info.name}" {about}')
    bindings = [service_account.Binding(field, name, uid)]
    if field == "pod" and found["spec"].get("nodeName"):
        node = await context.server.stores.get("", "nodes", "", found["spec"]["nodeName"])
        node_uid = node["metadata"]["uid"] if node is not None else ""
        bindings.append(service_account.Binding("node", found["spec"]["nodeName"], node_uid))
    return tuple(bindings)
