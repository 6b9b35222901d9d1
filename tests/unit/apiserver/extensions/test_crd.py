"""Custom resources on a whole server: from their definition to its end."""

import json
from typing import Any

import pytest

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WHEELS = "/apis/example.com/v1/namespaces/ns/wheels"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 26, "minimum": 1},
        "color": {"type": "string", "enum": ["black", "red"]},
        "width": {"x-kubernetes-int-or-string": True},
        "spokes": {
            "type": "array",
            "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["id"],
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
STATUS = {"type": "object", "properties": {"turns": {"type": "integer"}}}
SCHEMA = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}


def version(name: str = "v1", *, storage: bool = True, **members: Any) -> dict[str, Any]:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": SCHEMA}, **members}


def definition(*versions: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "wheels.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "wheels", "kind": "Wheel", "shortNames": ["wh"], "categories": ["all"]},
            "scope": "Namespaced",
            "versions": list(versions) or [version(subresources={"status": {}})],
            **members,
        },
    }


def wheel(name: str = "front", version: str = "v1", **members: Any) -> dict[str, Any]:
    return {"apiVersion": f"example.com/{version}", "kind": "Wheel", "metadata": {"name": name}, **members}


async def define(api: Any, *versions: dict[str, Any], **members: Any) -> Any:
    await api.create(DEFINITIONS, definition(*versions, **members))
    await api.clock.advance(0)
    return await api.get(f"{DEFINITIONS}/wheels.example.com")


def conditions(obj: Any) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in obj["status"]["conditions"]}


async def test_a_definition_is_established_and_served(api: Any) -> None:
    made = await define(api)
    assert conditions(made) == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["listKind"] == "WheelList"
    (resource, status) = (await api.get("/apis/example.com/v1"))["resources"]
    assert (resource["name"], resource["shortNames"], status["name"]) == ("wheels", ["wh"], "wheels/status")
    assert "example.com" in [group["name"] for group in (await api.get("/apis"))["groups"]]
    made = await api.create(WHEELS, wheel(spec={"color": "red", "odd": 1}))
    assert made["spec"] == {"color": "red", "size": 26}
    assert (await api.get(WHEELS))["items"] == [made]
    assert "com.example.v1.Wheel" in (await api.get("/openapi/v2"))["definitions"]


async def test_names_in_use_are_refused_until_they_are_free(api: Any) -> None:
    await define(api)
    other = definition()
    other["metadata"]["name"] = "rims.example.com"
    other["spec"]["names"] = {"plural": "rims", "kind": "Wheel", "shortNames": ["wh"]}
    await api.create(DEFINITIONS, other)
    await api.clock.advance(0)
    late = await api.get(f"{DEFINITIONS}/rims.example.com")
    assert conditions(late)["NamesAccepted"] == ("False", "ListKindConflict")
    assert conditions(late)["Established"] == ("False", "NotAccepted")
    assert (await api.send("GET", "/apis/example.com/v1/rims")).status == 404
    await api.send("DELETE", f"{DEFINITIONS}/wheels.example.com")
    await api.clock.advance(0)
    assert conditions(await api.get(f"{DEFINITIONS}/rims.example.com"))["Established"][0] == "True"


async def test_a_definition_goes_after_its_objects(api: Any) -> None:
    await define(api)
    held = wheel()
    held["metadata"]["finalizers"] = ["example.com/brake"]
    await api.create(WHEELS, held)
    await api.create(WHEELS, wheel("rear"))
    going = (await api.send("DELETE", f"{DEFINITIONS}/wheels.example.com")).json
    assert conditions(going)["Terminating"] == ("True", "InstanceDeletionPending")
    await api.clock.advance(0)
    assert [one["metadata"]["name"] for one in (await api.get(WHEELS))["items"]] == ["front"]
    refused = await api.send("POST", WHEELS, wheel("third"))
    assert refused.status == 403
    assert refused.json["message"].endswith("create not allowed while custom resource definition is terminating")
    await api.send("PATCH", f"{WHEELS}/front", {"metadata": {"finalizers": None}}, content=MERGE)
    await api.clock.advance(0)
    assert (await api.send("GET", f"{DEFINITIONS}/wheels.example.com")).status == 404
    assert (await api.send("GET", WHEELS)).status == 404


async def test_status_is_a_part_of_its_own(api: Any) -> None:
    await define(api)
    made = await api.create(WHEELS, wheel(spec={}, status={"turns": 1}))
    assert "status" not in made
    made["metadata"]["labels"] = {"a": "b"}
    done = (await api.send("PUT", f"{WHEELS}/front/status", {**made, "spec": {}, "status": {"turns": 2}})).json
    assert (done["status"], done["spec"], done["metadata"].get("labels")) == ({"turns": 2}, made["spec"], None)
    assert done["metadata"]["generation"] == 1
    patched = await api.send("PATCH", f"{WHEELS}/front", {"spec": {"size": 3}}, content=MERGE)
    assert patched.json["metadata"]["generation"] == 2


async def test_scale_reads_and_writes_where_the_definition_says(api: Any) -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.turns"}
    await define(api, version(subresources={"status": {}, "scale": scale}))
    await api.create(WHEELS, wheel(spec={}))
    assert (await api.get(f"{WHEELS}/front/scale"))["spec"] == {"replicas": 26}
    await api.send("PATCH", f"{WHEELS}/front/scale", {"spec": {"replicas": 4}}, content=MERGE)
    assert (await api.get(f"{WHEELS}/front"))["spec"]["size"] == 4


async def test_versions_show_the_same_objects(api: Any) -> None:
    await define(api, version(), version("v2", storage=False, deprecated=True))
    await api.create(WHEELS, wheel(spec={"size": 1}))
    answer = await api.send("GET", WHEELS.replace("/v1/", "/v2/"))
    assert [one["apiVersion"] for one in answer.json["items"]] == ["example.com/v2"]
    assert answer.header("Warning") == ['299 - "example.com/v2 Wheel is deprecated"']
    changed = await api.get(f"{DEFINITIONS}/wheels.example.com")
    changed["spec"]["versions"][0]["storage"], changed["spec"]["versions"][1]["storage"] = False, True
    assert (await api.send("PUT", f"{DEFINITIONS}/wheels.example.com", changed)).status == 200
    await api.clock.advance(0)
    assert (await api.get(f"{DEFINITIONS}/wheels.example.com"))["status"]["storedVersions"] == ["v1", "v2"]
    for name in ("v1", "v2"):
        assert (await api.get(f"{WHEELS}/front".replace("/v1/", f"/{name}/")))["apiVersion"] == f"example.com/{name}"


async def test_what_is_stored_gets_new_defaults(api: Any) -> None:
    await define(api)
    await api.create(WHEELS, wheel(spec={}))
    changed = await api.get(f"{DEFINITIONS}/wheels.example.com")
    spec = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["color"]["default"] = "black"
    async with api.watching(f"{WHEELS}?watch=1&resourceVersion=0") as sink:
        await api.send("PUT", f"{DEFINITIONS}/wheels.example.com", changed)
        await api.clock.advance(0)
        await api.create(WHEELS, wheel("rear"))
        await api.clock.advance(0)
        assert [one["object"]["metadata"]["name"] for one in sink.events] == ["front"], (
            "whoever watched must come again"
        )
    assert (await api.get(f"{WHEELS}/front"))["spec"] == {"size": 26, "color": "black"}
    assert [one.get("spec") for one in (await api.get(WHEELS))["items"]] == [{"size": 26, "color": "black"}, None]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"size": "big"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"color": "blue"}, 'spec.color: Unsupported value: "blue": supported values: "black", "red"'),
        ({"width": True}, "must be of type integer,string"),
        ({"spokes": [{}]}, "spec.spokes[0].id: Required value"),
        ({"spokes": [{"id": "a"}, {"id": "a"}]}, 'spec.spokes[1]: Duplicate value: {"id":"a"}'),
    ],
)
async def test_objects_are_held_to_their_schema(api: Any, spec: Any, message: str) -> None:
    await define(api)
    answer = await api.send("POST", WHEELS, wheel(spec=spec))
    assert answer.status == 422
    assert message in answer.json["message"]


async def test_unknown_fields_are_told_or_refused(api: Any) -> None:
    await define(api)
    body = json.dumps(wheel(spec={"odd": 1, "free": {"any": 1}})).encode()
    strict = await api.send("POST", f"{WHEELS}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert strict.json["message"] == (
        'Wheel in version "v1" cannot be handled as a Wheel: strict decoding error: unknown field "spec.odd"'
    )
    told = await api.send("POST", WHEELS, body)
    assert told.header("Warning") == ['299 - "unknown field \\"spec.odd\\""']
    assert told.json["spec"] == {"size": 26, "free": {"any": 1}}
    patch = {"spec": {"odd": 2}}
    refused = await api.send("PATCH", f"{WHEELS}/front?fieldValidation=Strict", patch, content=MERGE)
    assert (refused.status, 'unknown field \\"spec.odd\\"' in refused.text) == (422, True)


async def test_lists_that_are_maps_are_merged_by_apply(api: Any) -> None:
    await define(api)
    for manager, spoke in (("one", "a"), ("two", "b")):
        body = json.dumps(wheel(spec={"spokes": [{"id": spoke}]})).encode()
        answer = await api.send("PATCH", f"{WHEELS}/front?fieldManager={manager}", body, content=APPLY)
        assert answer.status in (200, 201), answer.text
    assert answer.json["spec"]["spokes"] == [{"id": "a"}, {"id": "b"}]


async def test_columns_and_field_selectors_come_from_the_definition(api: Any) -> None:
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    await define(api, version(additionalPrinterColumns=columns, selectableFields=[{"jsonPath": ".spec.color"}]))
    await api.create(WHEELS, wheel(spec={"color": "red"}))
    await api.create(WHEELS, wheel("rear", spec={"color": "black"}))
    chosen = await api.get(f"{WHEELS}?fieldSelector=spec.color%3Dred")
    assert [one["metadata"]["name"] for one in chosen["items"]] == ["front"]
    refused = await api.send("GET", f"{WHEELS}?fieldSelector=spec.size%3D1")
    assert (refused.status, refused.json["message"]) == (400, "field label not supported: spec.size")
    table = await api.send("GET", WHEELS, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [one["name"] for one in table.json["columnDefinitions"]] == ["Name", "Size"]
    assert [row["cells"] for row in table.json["rows"]] == [["front", 26], ["rear", 26]]


async def test_a_watch_tells_in_its_own_version(api: Any) -> None:
    await define(api, version(), version("v2", storage=False))
    async with api.watching(f"{WHEELS.replace('/v1/', '/v2/')}?watch=1&resourceVersion=0") as sink:
        await api.create(WHEELS, wheel())
        await api.clock.advance(0)
        assert [(one["type"], one["object"]["apiVersion"]) for one in sink.events] == [("ADDED", "example.com/v2")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["metadata"].update(name="other"), "must be spec.names.plural"),
        (lambda one: one["spec"].update(group="short"), "should be a domain with at least one dot"),
        (lambda one: one["spec"]["versions"][0].update(storage=False), "exactly one version marked as storage"),
        (
            lambda one: one["spec"]["versions"][0].update(schema={"openAPIV3Schema": {"properties": {"a": {}}}}),
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
        ),
        (
            lambda one: one["spec"]["versions"][0].update(
                schema={"openAPIV3Schema": {"type": "object", "x-kubernetes-validations": [{"rule": "true"}]}}
            ),
            "spec.validation.openAPIV3Schema.x-kubernetes-validations: Forbidden: rules in CEL are not supported",
        ),
    ],
)
async def test_a_definition_must_be_sound(api: Any, change: Any, message: str) -> None:
    wrong = definition()
    change(wrong)
    answer = await api.send("POST", DEFINITIONS, wrong)
    assert answer.status == 422
    assert message in answer.json["message"]
