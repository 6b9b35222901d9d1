"""The definitions of the served version."""

from pybernetes.api import schemas


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
