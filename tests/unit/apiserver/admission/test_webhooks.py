"""Admission webhooks, over a TLS socket on loopback."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.telemetry import metrics

HOOKS = "/apis/admissionregistration.k8s.io/v1"
MAPS = "/api/v1/namespaces/ns/configmaps"
RULE = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["configmaps"]}
Object = dict[str, Any]


def patched(request: Object, *operations: Object) -> Object:
    text = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": text}


def allowed(request: Object) -> Object:
    return {"uid": request["uid"], "allowed": True}


def config_map(name: str = "a", **more: Any) -> Object:
    return {"metadata": {"name": name, **more.pop("metadata", {})}, **more}


def hook(client: Object, name: str = "a.example.com", **more: Any) -> Object:
    base = {"sideEffects": "None", "admissionReviewVersions": ["v1"], "rules": [RULE]}
    return {"name": name, "clientConfig": client, **base, **more}


async def configure(api: Any, sort: str, *hooks: Object, name: str = "hooks") -> None:
    await api.create(f"{HOOKS}/{sort}webhookconfigurations", {"metadata": {"name": name}, "webhooks": [*hooks]})
    await api.clock.advance(0)


@contextlib.asynccontextmanager
async def configured(api: Any, webhook: Any, sort: str, respond: Any, **more: Any) -> AsyncIterator[list[Object]]:
    """Requests that the only webhook has got."""
    got: list[Object] = []

    def note(request: Object) -> Object:
        got.append(request)
        made: Object = respond(request)
        return made

    async with webhook(note) as client:
        await configure(api, sort, hook(client, **more))
        yield got


async def test_a_webhook_is_asked_what_is_asked_of_the_server(api: Any, webhook: Any) -> None:
    async with configured(api, webhook, "validating", allowed) as got:
        await api.create(f"{MAPS}?fieldManager=me", config_map(data={"a": "b"}))
        await api.send("DELETE", f"{MAPS}/a?dryRun=All")
    created, deleted = got
    assert created["kind"] == created["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert created["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (created["name"], created["namespace"], created["operation"]) == ("a", "ns", "CREATE")
    assert created["userInfo"] == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
    assert created["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert created["object"]["data"] == {"a": "b"}
    assert created["object"]["metadata"]["uid"]
    assert created["oldObject"] is None
    assert created["dryRun"] is False
    assert (deleted["operation"], deleted["object"], deleted["dryRun"]) == ("DELETE", None, True)
    assert deleted["oldObject"]["data"] == {"a": "b"}
    assert deleted["options"]["kind"] == "DeleteOptions"


@pytest.mark.parametrize(
    ("rule", "more", "times"),
    [
        ({}, {}, 2),
        ({"operations": ["CREATE"]}, {}, 1),
        ({"operations": ["CONNECT", "UPDATE"]}, {}, 1),
        ({"resources": ["configmaps/status"]}, {}, 0),
        ({"resources": ["*"]}, {}, 2),
        ({"resources": ["*/*"]}, {}, 2),
        ({"apiGroups": ["apps"]}, {}, 0),
        ({"apiVersions": ["v2"]}, {}, 0),
        ({"scope": "Cluster"}, {}, 0),
        ({"scope": "Namespaced"}, {}, 2),
        ({}, {"objectSelector": {"matchLabels": {"color": "blue"}}}, 2),
        ({}, {"objectSelector": {"matchLabels": {"color": "red"}}}, 0),
        ({}, {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ns"}}}, 2),
        ({}, {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, 0),
    ],
)
async def test_rules_and_selectors(api: Any, webhook: Any, rule: Object, more: Object, times: int) -> None:
    async with configured(api, webhook, "validating", allowed, rules=[{**RULE, **rule}], **more) as got:
        blue = config_map(metadata={"labels": {"color": "blue"}})
        await api.create(MAPS, blue)
        await api.send("PUT", f"{MAPS}/a", {**blue, "metadata": {"name": "a"}})
        assert len(got) == times


@pytest.mark.parametrize(("policy", "times"), [("Equivalent", 1), ("Exact", 0)])
async def test_an_equivalent_resource(api: Any, webhook: Any, policy: str, times: int) -> None:
    rule = {**RULE, "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["horizontalpodautoscalers"]}
    spec = {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    target = {"type": "Utilization", "averageUtilization": 70}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}

    def more_cpu(request: Object) -> Object:
        return patched(request, {"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 90})

    async with configured(api, webhook, "mutating", more_cpu, rules=[rule], matchPolicy=policy) as got:
        scaler = {"metadata": {"name": "web"}, "spec": {**spec, "metrics": [metric]}}
        made = await api.create("/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers", scaler)
    assert len(got) == times
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == (90 if times else 70)
    if got:
        assert (got[0]["kind"]["version"], got[0]["requestKind"]["version"]) == ("v1", "v2")


@pytest.mark.parametrize(
    ("result", "code", "reason", "message"),
    [
        (None, 400, None, " without explanation"),
        ({"message": "no"}, 400, None, ": no"),
        ({"reason": "Sunday", "code": 299, "status": "Success"}, 400, "Sunday", ": Sunday"),
        ({"message": "no", "reason": "Forbidden", "code": 403}, 403, "Forbidden", ": no"),
    ],
)
async def test_refusals(
    api: Any, webhook: Any, result: Object | None, code: int, reason: str | None, message: str
) -> None:
    refuse = {"allowed": False, **({"status": result} if result else {})}
    async with configured(api, webhook, "validating", lambda request: {**refuse, "uid": request["uid"]}):
        answer = (await api.send("POST", MAPS, config_map())).json
    assert (answer["code"], answer.get("reason")) == (code, reason)
    assert answer["message"] == f'admission webhook "a.example.com" denied the request{message}'
    assert (await api.send("GET", f"{MAPS}/a")).status == 404


ADD = {"patch": base64.b64encode(b'[{"op":"add","path":"/data","value":{"a":"b"}}]').decode(), "patchType": "JSONPatch"}


@pytest.mark.parametrize(
    ("sort", "response", "problem"),
    [
        ("validating", {"uid": "x"}, 'received invalid webhook response: expected response.uid="<uid>", got "x"'),
        ("validating", {"raw": "{}"}, "received invalid webhook response: webhook response was absent"),
        (
            "validating",
            {"raw": '{"response": {"uid": "<uid>", "allowed": true}}'},
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
            "Kind=AdmissionReview, got /, Kind=",
        ),
        ("validating", ADD, "received invalid webhook response: validating webhook may not return response.patch"),
        (
            "mutating",
            {"patch": ADD["patch"]},
            "received invalid webhook response: webhook returned response.patch but not response.patchType",
        ),
        (
            "mutating",
            {"patchType": "JSONPatch"},
            "received invalid webhook response: webhook returned response.patchType but not response.patch",
        ),
        ("mutating", {**ADD, "patchType": "Other"}, 'unsupported patch type "Other"'),
        (
            "validating",
            {"http": 500, "raw": "oh"},
            'failed to call webhook: an error on the server ("oh") has prevented the request from succeeding',
        ),
    ],
)
async def test_answers_that_are_none(api: Any, webhook: Any, sort: str, response: Object, problem: str) -> None:
    uid = ""

    def respond(request: Object) -> Object:
        nonlocal uid
        uid = request["uid"]
        filled = {**allowed(request), **response}
        return filled if "raw" not in filled else {**filled, "raw": filled["raw"].replace("<uid>", uid)}

    async with configured(api, webhook, sort, respond):
        answer = (await api.send("POST", MAPS, config_map())).json
    told = f'Internal error occurred: failed calling webhook "a.example.com": {problem}'
    assert (answer["code"], answer["message"]) == (500, told.replace("<uid>", uid))


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_webhook_that_is_not_there(api: Any, policy: str) -> None:
    name = f"{policy.lower()}.example.com"
    client = {"service": {"namespace": "ns", "name": "hook", "path": "/x"}}
    await configure(api, "validating", hook(client, name, failurePolicy=policy, timeoutSeconds=3))
    answer = await api.send("POST", MAPS, config_map())
    if policy == "Fail":
        text = f'Internal error occurred: failed calling webhook "{name}": failed to call webhook: '
        text += 'Post "https://hook.ns.svc:443/x?timeout=3s": service "hook" not found'
        assert (answer.status, answer.json["message"]) == (500, text)
        counted = f'webhook_rejection_count{{name="{name}",type="validating",operation="CREATE",'
        counted += 'error_type="calling_webhook_error",rejection_code="503"} 1'
    else:
        assert answer.status == 201
        counted = f'webhook_fail_open_count{{name="{name}",type="validating"}} 1'
    assert f"apiserver_admission_{counted}" in metrics.DEFAULT.render().decode()


async def test_patches(api: Any, webhook: Any) -> None:
    def respond(request: Object) -> Object:
        return patched(
            request,
            {"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}},
            {"op": "add", "path": "/spec/containers/0/resources/limits", "value": {"cpu": "1000m"}},
            {"op": "add", "path": "/spec/unknown", "value": 1},
        )

    pods = {**RULE, "resources": ["pods"], "operations": ["CREATE"]}
    async with configured(api, webhook, "mutating", respond, rules=[pods]):
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        made = await api.create("/api/v1/namespaces/ns/pods", pod)
    assert made["metadata"]["labels"] == {"by": "hook"}
    assert "unknown" not in made["spec"]
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("method", "operation", "message"),
    [
        ("POST", {"op": "replace", "path": "/data", "value": 5}, "json: cannot unmarshal number into Go struct"),
        ("POST", {"op": "test", "path": "/data", "value": 5}, "testing value /data failed: test failed"),
        (
            "DELETE",
            {"op": "add", "path": "/data", "value": {}},
            'admission webhook "a.example.com" attempted to modify the object, which is not supported for',
        ),
    ],
)
async def test_patches_that_do_not_fit(api: Any, webhook: Any, method: str, operation: Object, message: str) -> None:
    await api.create(MAPS, config_map())
    async with configured(api, webhook, "mutating", lambda request: patched(request, operation)):
        target, body = (MAPS, config_map("b")) if method == "POST" else (f"{MAPS}/a", None)
        answer = await api.send(method, target, body)
    assert answer.status == 500
    assert answer.json["message"].startswith(f"Internal error occurred: {message}")


async def test_webhooks_are_asked_again_when_a_later_one_changed_something(api: Any, webhook: Any) -> None:
    asked: list[str] = []

    def respond(request: Object) -> Object:
        data = request["object"].get("data") or {}
        step = "one" if request["object"]["metadata"]["labels"]["turn"] == "one" else "two"
        asked.append(step)
        turn = {"op": "add", "path": "/metadata/labels/turn", "value": "two"}
        if step == "one":
            return patched(request, turn)
        return patched(request, {"op": "add", "path": "/data", "value": {**data, "n": str(len(asked))}})

    async with webhook(respond) as client:
        again = {"reinvocationPolicy": "IfNeeded"}
        await configure(api, "mutating", hook(client, **again), hook(client, "b.example.com"))
        made = await api.create(MAPS, config_map(metadata={"labels": {"turn": "one"}}))
    assert asked == ["one", "two", "two"]
    assert made["data"] == {"n": "3"}


async def test_dry_runs_are_only_for_webhooks_without_side_effects(api: Any, webhook: Any) -> None:
    async with configured(api, webhook, "validating", allowed, sideEffects="NoneOnDryRun") as got:
        assert (await api.send("POST", f"{MAPS}?dryRun=All", config_map())).status == 201
        assert [request["dryRun"] for request in got] == [True]


async def test_warnings(api: Any, webhook: Any) -> None:
    async with configured(api, webhook, "validating", lambda request: {**allowed(request), "warnings": ["careful"]}):
        answer = await api.send("POST", MAPS, config_map())
    assert answer.header("Warning") == ['299 - "careful"']


async def test_webhooks_have_no_say_about_webhooks(api: Any, webhook: Any) -> None:
    rule = {**RULE, "resources": ["*/*"]}
    async with configured(api, webhook, "validating", lambda request: {"uid": request["uid"]}, rules=[rule]) as got:
        assert (await api.send("POST", MAPS, config_map())).status == 400
        review = {"spec": {"token": "x"}}
        assert (await api.send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)).status == 201
        assert (await api.send("DELETE", f"{HOOKS}/validatingwebhookconfigurations/hooks")).status == 200
        await api.clock.advance(0)
        assert (await api.send("POST", MAPS, config_map())).status == 201
        assert len(got) == 1


async def test_a_webhook_that_takes_too_long(api: Any, webhook: Any) -> None:
    asked = asyncio.Event()

    def respond(request: Object) -> Object:
        asked.set()
        return {"silent": True}

    async with configured(api, webhook, "validating", respond, timeoutSeconds=7):
        request = api.group.start(api.send("POST", MAPS, config_map()), "request")
        await asked.wait()
        await api.clock.advance(7)
        answer = await request
    assert answer.status == 500
    assert answer.json["message"].endswith('/path?timeout=7s": context deadline exceeded')


async def test_conditions_are_refused(api: Any) -> None:
    conditions = [{"name": "a", "expression": "true"}]
    wrong = {
        "metadata": {"name": "hooks"},
        "webhooks": [hook({"url": "https://example.com"}, matchConditions=conditions)],
    }
    answer = await api.send("POST", f"{HOOKS}/validatingwebhookconfigurations", wrong)
    assert answer.status == 422
    told = "webhooks[0].matchConditions: Forbidden: conditions in CEL are not supported by this server"
    assert answer.json["message"].endswith(told)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (
            "ns/pods/p/attach?stdin=true&container=c",
            {"kind": "PodAttachOptions", "apiVersion": "v1", "stdin": True, "container": "c"},
        ),
        (
            "ns/pods/p/exec?command=ls&command=-l",
            {"kind": "PodExecOptions", "apiVersion": "v1", "command": ["ls", "-l"]},
        ),
        (
            "ns/pods/p/portforward?ports=80,81",
            {"kind": "PodPortForwardOptions", "apiVersion": "v1", "ports": [80, 81]},
        ),
        ("ns/services/p/proxy/a/b?c=d", {"kind": "ServiceProxyOptions", "apiVersion": "v1", "path": "/a/b"}),
    ],
)
async def test_connections(api: Any, webhook: Any, path: str, options: Object) -> None:
    rule = {**RULE, "operations": ["CONNECT"], "resources": ["*/*"]}
    async with configured(api, webhook, "validating", lambda request: {"uid": request["uid"]}, rules=[rule]) as got:
        assert (await api.send("GET", f"/api/v1/namespaces/{path}")).status == 400
    (request,) = got
    assert request["object"] == options
    assert (request["name"], request["options"], request["kind"]["kind"]) == ("p", None, options["kind"])


async def test_scaling_is_shown_as_a_scale(api: Any, webhook: Any) -> None:
    base = "/apis/apps/v1/namespaces/ns/replicasets"
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await api.create(base, {"metadata": {"name": "web"}, "spec": spec})

    def more(request: Object) -> Object:
        return patched(request, {"op": "replace", "path": "/spec/replicas", "value": 7})

    rule = {**RULE, "resources": ["replicasets/scale"]}
    async with configured(api, webhook, "mutating", more, rules=[rule]) as got:
        await api.send("PATCH", f"{base}/web/scale", {"spec": {"replicas": 3}}, content="application/merge-patch+json")
    (request,) = got
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert [request[side]["spec"] for side in ("object", "oldObject")] == [{"replicas": 3}, {"replicas": 1}]
    assert request["options"]["kind"] == "UpdateOptions"
    assert (await api.get(f"{base}/web"))["spec"]["replicas"] == 7


async def test_an_eviction_may_be_changed(api: Any, webhook: Any) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await api.create("/api/v1/namespaces/ns/pods", pod)

    def dry(request: Object) -> Object:
        return patched(request, {"op": "add", "path": "/deleteOptions", "value": {"preconditions": {"uid": "other"}}})

    rule = {**RULE, "operations": ["CREATE"], "resources": ["pods/eviction"]}
    async with configured(api, webhook, "mutating", dry, rules=[rule]) as got:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
        answer = await api.send("POST", "/api/v1/namespaces/ns/pods/p/eviction", eviction)
    assert got[0]["object"]["kind"] == got[0]["kind"]["kind"] == "Eviction"
    assert answer.status == 409
