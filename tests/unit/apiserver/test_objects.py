"""The life of objects on a whole server: what clients see of create, read, change and delete."""

import asyncio
import json
from typing import Any

import pytest

CONFIGS = "/api/v1/namespaces/ns/configmaps"
PODS = "/api/v1/namespaces/ns/pods"
MERGE = "application/merge-patch+json"


def config(name: str = "c", **members: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **members}


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "nginx"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


async def test_created_objects_can_be_read(api: Any) -> None:
    made = await api.create(CONFIGS, config(data={"a": "b"}))
    assert made["metadata"]["namespace"] == "ns"
    assert made["metadata"]["uid"]
    assert list(made)[:3] == ["kind", "apiVersion", "metadata"]
    assert await api.get(f"{CONFIGS}/c") == made
    listed = await api.get(CONFIGS)
    assert listed["kind"] == "ConfigMapList"
    assert [item["data"] for item in listed["items"]] == [{"a": "b"}]
    assert "kind" not in listed["items"][0]
    assert int(listed["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])


async def test_names_are_generated_until_one_is_free(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter(["x-1", "x-1", "x-2"])
    monkeypatch.setattr("pybernetes.apimachinery.names.generate_name", lambda base, rand: next(given))
    template = {"metadata": {"generateName": "x-"}}
    assert (await api.create(CONFIGS, template))["metadata"]["name"] == "x-1"
    assert (await api.create(CONFIGS, template))["metadata"]["name"] == "x-2"


async def test_a_generated_name_that_is_never_free_is_a_conflict(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pybernetes.apimachinery.names.generate_name", lambda base, rand: "x-1")
    await api.create(CONFIGS, {"metadata": {"generateName": "x-"}})
    answer = await api.send("POST", CONFIGS, {"metadata": {"generateName": "x-"}})
    assert answer.status == 409
    assert "was not able to generate a unique name" in answer.json["message"]


async def test_an_update_to_an_old_version_is_a_conflict(api: Any) -> None:
    old = await api.create(CONFIGS, config())
    new = (await api.send("PUT", f"{CONFIGS}/c", {**old, "data": {"a": "1"}})).json
    assert new["data"] == {"a": "1"}
    answer = await api.send("PUT", f"{CONFIGS}/c", {**old, "data": {"a": "2"}})
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    unconditional = config(data={"a": "3"})
    assert (await api.send("PUT", f"{CONFIGS}/c", unconditional)).json["data"] == {"a": "3"}


async def test_a_write_that_changes_nothing_is_none(api: Any) -> None:
    made = await api.create(CONFIGS, config(data={"a": "b"}))
    again = (await api.send("PUT", f"{CONFIGS}/c", made)).json
    patched = (await api.send("PATCH", f"{CONFIGS}/c", {"data": {"a": "b"}}, content=MERGE)).json
    assert made["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
    assert made["metadata"]["resourceVersion"] == patched["metadata"]["resourceVersion"]


async def test_patches_apply_to_the_newest_state(api: Any) -> None:
    await api.create(CONFIGS, config())
    await asyncio.gather(
        *(api.send("PATCH", f"{CONFIGS}/c", {"data": {f"k{n}": "v"}}, content=MERGE) for n in range(20))
    )
    assert len((await api.get(f"{CONFIGS}/c"))["data"]) == 20


async def test_dry_runs_leave_no_trace(api: Any) -> None:
    answer = await api.send("POST", f"{CONFIGS}?dryRun=All", config())
    assert answer.status == 201
    assert answer.json["metadata"]["uid"]
    assert (await api.send("GET", f"{CONFIGS}/c")).status == 404
    await api.create(CONFIGS, config(data={"a": "b"}))
    patched = await api.send("PATCH", f"{CONFIGS}/c?dryRun=All", {"data": {"a": "z"}}, content=MERGE)
    assert patched.json["data"] == {"a": "z"}
    assert (await api.send("DELETE", f"{CONFIGS}/c?dryRun=All")).status == 200
    assert (await api.get(f"{CONFIGS}/c"))["data"] == {"a": "b"}


async def test_generation_counts_changes_of_what_is_wanted(api: Any) -> None:
    base = "/apis/apps/v1/namespaces/ns/deployments"
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    made = await api.create(base, {"metadata": {"name": "d"}, "spec": spec, "status": {"replicas": 7}})
    assert made["metadata"]["generation"] == 1
    assert "replicas" not in made["status"]
    for patch, path, generation in (
        ({"metadata": {"labels": {"x": "y"}}}, "d", 1),
        ({"spec": {"replicas": 3}}, "d", 2),
        ({"status": {"replicas": 3}}, "d", 2),
        ({"status": {"replicas": 3}, "spec": {"replicas": 9}}, "d/status", 2),
    ):
        answer = await api.send("PATCH", f"{base}/{path}", patch, content=MERGE)
        assert answer.json["metadata"]["generation"] == generation, patch
    stored = await api.get(f"{base}/d")
    assert (stored["spec"]["replicas"], stored["status"]["replicas"]) == (3, 3)


async def test_finalizers_hold_a_deleted_object_back(api: Any) -> None:
    held = config()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.create(CONFIGS, held)
    deleted = await api.send("DELETE", f"{CONFIGS}/c")
    assert deleted.json["metadata"]["deletionTimestamp"]
    assert deleted.json["metadata"]["deletionGracePeriodSeconds"] == 0
    added = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert (await api.send("PATCH", f"{CONFIGS}/c", added, content=MERGE)).status == 422
    again = await api.send("POST", CONFIGS, config())
    assert again.json["message"] == 'object is being deleted: configmaps "c" already exists'
    released = await api.send("PATCH", f"{CONFIGS}/c", {"metadata": {"finalizers": None}}, content=MERGE)
    assert released.status == 200
    assert (await api.send("GET", f"{CONFIGS}/c")).status == 404


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan"), ("Background", None)]
)
async def test_propagation_policies(api: Any, policy: str, finalizer: str | None) -> None:
    await api.create(CONFIGS, config())
    answer = await api.send("DELETE", f"{CONFIGS}/c", {"propagationPolicy": policy})
    assert answer.status == 200
    assert answer.json.get("metadata", {}).get("finalizers") == ([finalizer] if finalizer else None)


async def test_deletions_check_their_preconditions(api: Any) -> None:
    made = await api.create(CONFIGS, config())
    wrong = {"preconditions": {"uid": "x"}}
    assert (await api.send("DELETE", f"{CONFIGS}/c", wrong)).status == 409
    stale = {"preconditions": {"resourceVersion": "1"}}
    assert (await api.send("DELETE", f"{CONFIGS}/c", stale)).status == 409
    right = {"preconditions": {"uid": made["metadata"]["uid"]}}
    answer = await api.send("DELETE", f"{CONFIGS}/c", right)
    assert answer.json["details"] == {"name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"]}


async def test_pods_go_gracefully_once_bound(api: Any) -> None:
    await api.create(PODS, pod())
    unbound = await api.send("DELETE", f"{PODS}/p")
    assert unbound.status == 200
    assert (await api.send("GET", f"{PODS}/p")).status == 404
    await api.create(PODS, pod())
    bound = await api.send("POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"name": "n"}})
    assert bound.status == 201
    assert bound.json["status"] == "Success"
    found = await api.get(f"{PODS}/p")
    assert found["spec"]["nodeName"] == "n"
    assert [one["type"] for one in found["status"]["conditions"]] == ["PodScheduled"]
    first = (await api.send("DELETE", f"{PODS}/p")).json
    assert first["metadata"]["deletionGracePeriodSeconds"] == 30
    assert first["metadata"]["generation"] == 2
    longer = (await api.send("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 60})).json
    assert longer["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    shorter = (await api.send("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 10})).json
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 10
    assert shorter["metadata"]["deletionTimestamp"] < first["metadata"]["deletionTimestamp"]
    await api.send("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert (await api.send("GET", f"{PODS}/p")).status == 404


async def test_namespaces_wait_for_their_finalizer(api: Any) -> None:
    gone = await api.send("DELETE", "/api/v1/namespaces/ns")
    assert gone.json["status"]["phase"] == "Terminating"
    refused = await api.send("POST", CONFIGS, config())
    assert refused.status == 403
    assert refused.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    found = await api.get("/api/v1/namespaces/ns")
    answer = await api.send("PUT", "/api/v1/namespaces/ns/finalize", {**found, "spec": {"finalizers": []}})
    assert answer.status == 200
    assert (await api.send("GET", "/api/v1/namespaces/ns")).status == 404


async def test_collections_are_deleted_by_selector(api: Any) -> None:
    for number in range(40):
        obj = config(f"c{number}")
        obj["metadata"]["labels"] = {"odd": str(number % 2)}
        await api.create(CONFIGS, obj)
    answer = await api.send("DELETE", f"{CONFIGS}?labelSelector=odd%3D1")
    assert len(answer.json["items"]) == 20
    left = await api.get(CONFIGS)
    assert {item["metadata"]["labels"]["odd"] for item in left["items"]} == {"0"}


async def test_pages_continue_where_they_ended(api: Any) -> None:
    for number in range(7):
        await api.create(CONFIGS, config(f"c{number}"))
    names, target, pages = [], f"{CONFIGS}?limit=3", 0
    while target:
        page = await api.get(target)
        await api.create(CONFIGS, config(f"c9{pages}"))  # not in a list that has begun before
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
        target = f"{CONFIGS}?limit=3&continue={token}" if token else ""
        pages += 1
    assert names == [f"c{number}" for number in range(7)]


async def test_selectors(api: Any) -> None:
    await api.create(PODS, pod("a"))
    await api.create(PODS, pod("b", nodeName="n"))
    for query, names in (
        ("fieldSelector=spec.nodeName%3Dn", ["b"]),
        ("fieldSelector=spec.nodeName%21%3Dn", ["a"]),
        ("fieldSelector=metadata.name%3Da", ["a"]),
        ("fieldSelector=status.phase%3DPending,spec.nodeName%3D", ["a"]),
        ("labelSelector=x", []),
    ):
        assert [item["metadata"]["name"] for item in (await api.get(f"{PODS}?{query}"))["items"]] == names, query


async def test_other_versions_of_an_object(api: Any) -> None:
    await api.create(
        "/apis/events.k8s.io/v1/namespaces/ns/events",
        {
            "metadata": {"name": "e"},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reason": "R",
            "action": "A",
            "type": "Normal",
            "reportingController": "example.com/c",
            "reportingInstance": "i",
            "regarding": {"kind": "Pod", "name": "p", "namespace": "ns"},
            "note": "text",
        },
    )
    core = await api.get("/api/v1/namespaces/ns/events/e")
    assert (core["apiVersion"], core["metadata"]["name"]) == ("v1", "e")
    assert (core["involvedObject"]["name"], core["message"], core["reportingComponent"]) == (
        "p",
        "text",
        "example.com/c",
    )
    listed = await api.get("/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dp")
    assert [item["note"] for item in listed["items"]] == ["text"]
    async with api.watching("/apis/events.k8s.io/v1/events?watch=1") as sink:
        pass
    assert sink.events[0]["object"]["apiVersion"] == "events.k8s.io/v1"
    assert sink.events[0]["object"]["regarding"]["name"] == "p"


async def test_bodies_come_as_yaml_and_answers_too(api: Any) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: 'yes'}\n"
    made = await api.send("POST", CONFIGS, body, content="application/yaml", Accept="application/yaml")
    assert made.status == 201
    assert "a: " in made.text
    assert "kind: ConfigMap" in made.text


async def test_tables_and_metadata_alone(api: Any) -> None:
    await api.create(CONFIGS, config(data={"a": "b"}))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = (await api.send("GET", f"{CONFIGS}/c", Accept=accept)).json
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    listed = (await api.send("GET", f"{CONFIGS}?includeObject=None", Accept=accept)).json
    assert listed["rows"][0]["object"] is None
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    partial = (await api.send("GET", CONFIGS, Accept=accept)).json
    assert (partial["kind"], "data" in partial["items"][0]) == ("PartialObjectMetadataList", False)


async def test_a_review_is_no_table(api: Any) -> None:
    path, accept = (
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
    )
    body = {"kind": "SelfSubjectAccessReview", "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    assert (await api.send("POST", path, body)).status == 201
    assert (await api.send("POST", path, body, Accept=accept)).status == 406


async def test_unknown_fields(api: Any) -> None:
    bad = config(bogus=1)
    warned = await api.send("POST", CONFIGS, bad)
    assert warned.header("Warning") == ['299 - "unknown field \\"bogus\\""']
    assert "bogus" not in warned.json
    strict = await api.send("POST", f"{CONFIGS}?fieldValidation=Strict", config("d", bogus=1))
    assert strict.status == 400
    assert 'strict decoding error: unknown field "bogus"' in strict.json["message"]
    ignored = await api.send("POST", f"{CONFIGS}?fieldValidation=Ignore", config("e", bogus=1))
    assert ignored.header("Warning") == []


async def test_server_side_apply_creates_and_conflicts(api: Any) -> None:
    apply = "application/apply-patch+yaml"
    wanted = json.dumps(config(data={"a": "1"})).encode()
    made = await api.send("PATCH", f"{CONFIGS}/c?fieldManager=one", wanted, content=apply)
    assert made.status == 201
    other = json.dumps(config(data={"a": "2"})).encode()
    refused = await api.send("PATCH", f"{CONFIGS}/c?fieldManager=two", other, content=apply)
    assert refused.status == 409
    assert refused.json["details"]["causes"][0]["field"] == ".data.a"
    forced = await api.send("PATCH", f"{CONFIGS}/c?fieldManager=two&force=true", other, content=apply)
    assert forced.json["data"] == {"a": "2"}
    assert [entry["manager"] for entry in forced.json["metadata"]["managedFields"]] == ["two"]


async def test_scale_is_a_view_of_what_has_replicas(api: Any) -> None:
    base = "/apis/apps/v1/namespaces/ns/replicasets"
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]},
    }
    await api.create(base, {"metadata": {"name": "r"}, "spec": spec})
    scale = await api.get(f"{base}/r/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "a=b"})
    done = await api.send("PATCH", f"{base}/r/scale", {"spec": {"replicas": 5}}, content=MERGE)
    assert done.json["spec"] == {"replicas": 5}
    assert (await api.get(f"{base}/r"))["metadata"]["generation"] == 2


async def test_evictions_respect_the_budget(api: Any) -> None:
    obj = pod()
    obj["metadata"]["labels"] = {"a": "b"}
    await api.create(PODS, obj)
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await api.send("PATCH", f"{PODS}/p/status", ready, content=MERGE)
    budgets = "/apis/policy/v1/namespaces/ns/poddisruptionbudgets"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}
    await api.create(budgets, {"metadata": {"name": "b"}, "spec": spec})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    unseen = await api.send("POST", f"{PODS}/p/eviction", eviction)
    assert (unseen.status, unseen.header("Retry-After")) == (429, ["10"])
    status = {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1}
    status |= {"expectedPods": 2}
    await api.send("PATCH", f"{budgets}/b/status", {"status": status}, content=MERGE)
    assert (await api.send("POST", f"{PODS}/p/eviction", eviction)).status == 201
    assert (await api.send("GET", f"{PODS}/p")).status == 404
    used = (await api.get(f"{budgets}/b"))["status"]
    assert (used["disruptionsAllowed"], list(used["disruptedPods"])) == (0, ["p"])
