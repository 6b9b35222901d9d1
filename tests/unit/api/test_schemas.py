"""The definitions of the served version, and the questions a schema answers."""

import pytest

from pybernetes.api import schemas
from pybernetes.apimachinery.patch import strategic


def test_every_kind_has_a_definition() -> None:
    definitions = schemas.served()
    assert len(definitions.kinds()) > 300
    for kind, name in definitions.kinds().items():
        assert name in definitions, kind


def test_definitions_are_openapi() -> None:
    for name in schemas.served():
        node = schemas.served().read(name)
        for field in [node, *(node.get("properties") or {}).values()]:
            assert isinstance(field.get("type", ""), str), name
    kind = schemas.definition("io.k8s.api.core.v1.Pod")["properties"]["kind"]
    assert "enum" not in kind


def test_unknown_kind() -> None:
    assert schemas.for_kind("example.com", "v1", "Nonsense") is None


@pytest.mark.parametrize(
    ("path", "strategy", "key"),
    [
        (("template", "spec", "containers"), ("merge",), "name"),
        (("template", "spec", "volumes"), ("merge", "retainKeys"), "name"),
        (("strategy",), ("retainKeys",), ""),
        (("template", "spec", "tolerations"), (), ""),
        (("template", "metadata", "finalizers"), ("merge",), ""),
    ],
)
def test_patch_strategies(path: tuple[str, ...], strategy: tuple[str, ...], key: str) -> None:
    schema = schemas.for_kind("apps", "v1", "Deployment")
    for name in ("spec", *path):
        assert schema is not None
        schema = schema.property(name)
    assert schema is not None
    assert (schema.patch_strategy, schema.patch_merge_key) == (strategy, key)


def test_walks_through_references_lists_and_maps() -> None:
    pod = schemas.for_kind("", "v1", "Pod")
    assert pod is not None
    spec = pod.property("spec")
    assert spec is not None
    assert spec.required == ("containers",)
    containers = spec.property("containers")
    assert containers is not None
    assert (containers.type, containers.list_type, containers.list_map_keys) == ("array", "map", ("name",))
    container = containers.items
    assert container is not None
    assert container.name == "io.k8s.api.core.v1.Container"
    assert container.description.startswith("A single application container")
    assert container.property("nonsense") is None
    assert spec.property("containers") is containers
    ports = container.property("ports")
    assert ports is not None
    assert ports.items is not None
    assert ports.list_map_keys == ("containerPort", "protocol")
    assert ports.items.key_default("protocol") == "TCP"
    resources = container.property("resources")
    assert resources is not None
    limits = resources.property("limits")
    assert limits is not None
    limit = limits.property("cpu")
    assert limit is not None
    assert limit.is_quantity


def test_special_values() -> None:
    service = schemas.for_kind("", "v1", "Service")
    assert service is not None
    ports = service.property("spec").property("ports")  # type: ignore[union-attr]
    assert ports is not None
    assert ports.items is not None
    target = ports.items.property("targetPort")
    assert target is not None
    assert target.is_int_or_string
    created = service.property("metadata").property("creationTimestamp")  # type: ignore[union-attr]
    assert created is not None
    assert created.is_time
    selector = service.property("spec").property("selector")  # type: ignore[union-attr]
    assert selector is not None
    assert selector.map_type == "atomic"


def test_custom_resource() -> None:
    schema = schemas.for_custom_resource(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "size": {"x-kubernetes-int-or-string": True},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        "mode": {"type": "string", "enum": ["a", "b"], "default": "a", "nullable": True},
                    },
                }
            },
        }
    )
    spec = schema.property("spec")
    assert spec is not None
    size, free, mode = (spec.property(name) for name in ("size", "free", "mode"))
    assert size is not None
    assert size.is_int_or_string
    assert free is not None
    assert free.preserve_unknown_fields
    assert mode is not None
    assert (mode.enum, mode.default, mode.nullable) == (("a", "b"), "a", True)
    labels = schema.property("metadata").property("labels")  # type: ignore[union-attr]
    assert labels is not None
    assert labels.type == "object"


def test_strategic_merge() -> None:
    rules = schemas.for_patch("", "v1", "Pod")
    assert rules is not None
    pod = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}], "tolerations": [{"key": "k"}]}}
    patch = {"spec": {"containers": [{"name": "a", "image": "y"}], "tolerations": [{"key": "l"}]}}
    assert strategic.apply(pod, patch, rules) == {
        "spec": {"containers": [{"name": "a", "image": "y"}, {"name": "b"}], "tolerations": [{"key": "l"}]}
    }
    assert schemas.for_patch("example.com", "v1", "Widget") is None
