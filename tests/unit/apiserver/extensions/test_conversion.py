"""Custom resources whose versions a webhook converts, over a TLS socket on loopback."""

from typing import Any

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V2 = (f"/apis/example.com/{version}/namespaces/ns/wheels" for version in ("v1", "v2"))
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def sizes(request: dict[str, Any]) -> dict[str, Any]:
    """v1 has inches, v2 centimetres."""
    made = []
    for obj in request["objects"]:
        factor = 10 if request["desiredAPIVersion"].endswith("v2") else 0.1
        made.append({**obj, "apiVersion": request["desiredAPIVersion"], "size": int(obj["size"] * factor)})
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}


def selected_by(field: str) -> dict[str, Any]:
    """A version with one text, by which its objects can be selected."""
    schema = {"type": "object", "properties": {field: {"type": "string"}}}
    return {"schema": {"openAPIV3Schema": schema}, "selectableFields": [{"jsonPath": f".{field}"}]}


ANY = {"schema": {"openAPIV3Schema": FREE}}


async def define(api: Any, config: dict[str, Any], v1: dict[str, Any] = ANY, v2: dict[str, Any] = ANY) -> None:
    """Objects are stored in v1."""
    both = (("v1", v1), ("v2", v2))
    versions = [{"name": name, "served": True, "storage": name == "v1", **given} for name, given in both]
    spec = {
        "group": "example.com",
        "names": {"plural": "wheels", "kind": "Wheel"},
        "scope": "Namespaced",
        "versions": versions,
        "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]}},
    }
    await api.create(DEFINITIONS, {"metadata": {"name": "wheels.example.com"}, "spec": spec})
    await api.clock.advance(0)


def wheel(name: str, version: str, size: int) -> dict[str, Any]:
    return {"apiVersion": f"example.com/{version}", "kind": "Wheel", "metadata": {"name": name}, "size": size}


async def test_a_webhook_converts_what_is_read_and_written(api: Any, webhook: Any) -> None:
    async with webhook(sizes) as config:
        await define(api, config)
        await api.create(V1, wheel("front", "v1", 26))
        assert (await api.get(f"{V2}/front"))["size"] == 260
        made = await api.create(V2, wheel("rear", "v2", 280))
        assert (made["apiVersion"], made["size"]) == ("example.com/v2", 280)
        assert [one["size"] for one in (await api.get(V1))["items"]] == [26, 28]
        changed = await api.get(f"{DEFINITIONS}/wheels.example.com")
        for version in changed["spec"]["versions"]:
            version["storage"] = version["name"] == "v2"
        await api.send("PUT", f"{DEFINITIONS}/wheels.example.com", changed)
        await api.clock.advance(0)
        await api.create(V2, wheel("spare", "v2", 300))
        assert [one["size"] for one in (await api.get(V1))["items"]] == [26, 28, 30]
        assert [one["size"] for one in (await api.get(V2))["items"]] == [260, 280, 300]
        assert (await api.send("DELETE", f"{V2}/front")).status == 200


async def test_a_webhook_may_not_change_identities(api: Any, webhook: Any) -> None:
    def rename(request: dict[str, Any]) -> dict[str, Any]:
        made = sizes(request)
        made["convertedObjects"][0]["metadata"]["name"] = "other"
        return made

    async with webhook(rename) as config:
        await define(api, config)
        await api.create(V1, wheel("front", "v1", 26))
        answer = await api.send("GET", f"{V2}/front")
    assert answer.status == 500
    assert answer.json["message"].endswith("at index 0: must have the same name: front != other")


async def test_what_nobody_converts_is_an_error(api: Any) -> None:
    await define(api, {"url": "https://127.0.0.1:1/convert"})
    await api.create(V1, wheel("front", "v1", 26))
    answer = await api.send("GET", f"{V2}/front")
    assert answer.status == 500
    about = 'conversion webhook for example.com/v1, Kind=Wheel failed: Post "https://127.0.0.1:1/convert?timeout=30s"'
    assert answer.json["message"].startswith(about)


def fields(request: dict[str, Any]) -> dict[str, Any]:
    """v1 calls it size, v2 extent."""
    made = []
    for obj in request["objects"]:
        names = ("size", "extent") if request["desiredAPIVersion"].endswith("v2") else ("extent", "size")
        kept = {name: value for name, value in obj.items() if name != names[0]}
        made.append({**kept, "apiVersion": request["desiredAPIVersion"], names[1]: obj[names[0]]})
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}


async def test_fields_of_each_version_select_its_objects(api: Any, webhook: Any) -> None:
    async def names(target: str) -> list[str]:
        return [one["metadata"]["name"] for one in (await api.get(target))["items"]]

    async with webhook(fields) as config:
        await define(api, config, selected_by("size"), selected_by("extent"))
        for name, size in (("front", "a"), ("rear", "b"), ("spare", "a")):
            await api.create(V1, {"kind": "Wheel", "metadata": {"name": name}, "size": size})
        assert await names(f"{V1}?fieldSelector=size%3Da") == ["front", "spare"]
        assert await names(f"{V2}?fieldSelector=extent%3Da&limit=1") == ["front", "spare"]
        assert await names(f"{V2}?fieldSelector=metadata.name%3Drear") == ["rear"]
        version = (await api.get(V2))["metadata"]["resourceVersion"]
        watch = f"{V2}?watch=1&fieldSelector=extent%3Da"
        async with api.watching(f"{watch}&resourceVersion={version}") as later, api.watching(watch) as whole:
            for name, extent in (("front", "c"), ("rear", "a"), ("spare", "a")):
                obj = await api.get(f"{V2}/{name}")
                await api.send("PUT", f"{V2}/{name}", {**obj, "extent": extent})
            assert (await api.send("DELETE", f"{V2}?fieldSelector=extent%3Da")).status == 200
            await later.heard(4)
            await whole.heard(6)
        assert await names(V2) == ["front"]
    changes = [("DELETED", "front", "a"), ("ADDED", "rear", "a"), ("DELETED", "rear", "a"), ("DELETED", "spare", "a")]

    def told(sink: Any) -> list[tuple[str, str, str]]:
        return [(one["type"], one["object"]["metadata"]["name"], one["object"]["extent"]) for one in sink.events]

    assert told(later) == changes
    assert told(whole) == [("ADDED", "front", "a"), ("ADDED", "spare", "a"), *changes]
