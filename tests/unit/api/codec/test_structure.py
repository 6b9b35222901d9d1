"""What holding an object to its Go types changes, and what it refuses."""

import json
import pathlib
from typing import Any

import pytest
import yaml

from pybernetes.api.codec import failure, structure

PROTOBUF = pathlib.Path(__file__).parents[3] / "golden" / "protobuf"


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


@pytest.mark.parametrize("path", sorted(PROTOBUF.glob("*.json")), ids=lambda path: path.stem)
def test_what_go_wrote_stays_as_it_is(path: pathlib.Path) -> None:
    written = json.loads(path.read_text())
    obj = json.loads(path.read_text())
    assert structure.conform(obj, written["apiVersion"], written["kind"]) == []
    structure.complete(obj, written["apiVersion"], written["kind"])
    assert without_nulls(obj) == without_nulls(written)


def conformed(obj: dict[str, Any], api_version: str = "v1", kind: str = "Pod") -> dict[str, Any]:
    structure.conform(obj, api_version, kind)
    return obj


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        ({"hostNetwork": False, "nodeName": "", "tolerations": [], "nodeSelector": {}}, {}),
        ({"hostUsers": False, "priority": 0, "securityContext": {}}, None),
        ({"nodeName": None, "volumes": None, "securityContext": None}, {}),
        ({"containers": [{"resources": {"limits": {"cpu": 1, "memory": "1024Mi", "x": 0.5}}}]}, {
            "containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi", "x": "500m"}}}]}),
        ({"containers": [None]}, {"containers": [{}]}),
        ({"nodeSelector": {"a": None}}, {"nodeSelector": {"a": ""}}),
        ({"containers": [{"command": ["a", None]}]}, {"containers": [{"command": ["a", ""]}]}),
        ({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1.5Gi"}}]}, {
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1536Mi"}}]}),
    ],
)  # fmt: skip
def test_changes(spec: dict[str, Any], left: dict[str, Any] | None) -> None:
    want = json.loads(json.dumps(spec)) if left is None else left
    assert conformed({"spec": spec})["spec"] == want


def test_canonical_values() -> None:
    metadata = conformed({"metadata": {"creationTimestamp": "2025-01-02T03:04:05.678+01:00"}})["metadata"]
    assert metadata == {"creationTimestamp": "2025-01-02T02:04:05Z"}
    lease = conformed({"spec": {"renewTime": "2025-01-02T03:04:05.678000+00:00"}}, "coordination.k8s.io/v1", "Lease")
    assert lease["spec"] == {"renewTime": "2025-01-02T03:04:05.678000Z"}
    secret = conformed({"data": {"a": "aGVs\nbG8="}}, "v1", "Secret")
    assert secret["data"] == {"a": "aGVsbG8="}


def test_types_with_their_own_kind() -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}}
    obj = {"spec": {"volumeClaimTemplates": [dict(claim)], "template": {"kind": "x"}}}
    unknown = structure.conform(obj, "apps/v1", "StatefulSet")
    assert obj["spec"] == {"volumeClaimTemplates": [claim], "template": {}}
    assert unknown == ['unknown field "spec.template.kind"']


def test_schemas_inside_schemas() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "string", "default": None, "enum": [None, 1], "junk": 1}},
        "additionalProperties": False,
        "items": {"type": "string", "junk": 1},
    }
    crd = {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    unknown = structure.conform(crd, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert schema == {
        "type": "object",
        "properties": {"a": {"type": "string", "enum": [None, 1]}},
        "additionalProperties": False,
        "items": {"type": "string"},
    }
    # Upstream reads `items` and `additionalProperties` with a reader of their own, which is not strict.
    assert unknown == ['unknown field "spec.versions[0].schema.openAPIV3Schema.properties.a.junk"']


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"spec": {"volumes": [{"name": "v", "emptyDir": 5}]}},
         "json: cannot unmarshal number into Go struct field Volume.spec.volumes.VolumeSource.emptyDir"
         " of type v1.EmptyDirVolumeSource"),
        ({"spec": {"containers": [{"ports": [{"containerPort": "http"}]}]}},
         "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort"
         " of type int32"),
        ({"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": 1.5}}}]}},
         "json: cannot unmarshal number 1.5 into Go struct field"
         " HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32"),
        ({"spec": {"restartPolicy": True}},
         "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
        ({"metadata": {"creationTimestamp": 5}},
         "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"),
        ({"spec": {"containers": [{"resources": {"limits": []}}]}},
         "json: cannot unmarshal array into Go struct field ResourceRequirements.spec.containers.resources.limits"
         " of type v1.ResourceList"),
        ({"spec": {"containers": [{"command": [1]}], "nodeName": 5}},
         "json: cannot unmarshal number into Go struct field Container.spec.containers.command of type string"),
        ({"spec": {"priority": 1 << 31}},
         "json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
    ],
)  # fmt: skip
def test_wrong_types(obj: dict[str, Any], message: str) -> None:
    with pytest.raises(failure.DecodeError) as caught:
        structure.conform(obj, "v1", "Pod")
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"status": {"containerStatuses": [{"restartCount": "x"}]}}, "unrecognized type: int32"),
        ({"spec": {"restartPolicy": 5}}, "unrecognized type: string"),
        ({"spec": {"containers": "x"}}, "cannot restore slice from string"),
        ({"spec": {"nodeSelector": [1]}}, "cannot restore map from slice"),
        ({"spec": {"nodeSelector": {"a": 1}}}, "unrecognized type: string"),
        ({"spec": "x"}, "cannot restore struct from: string"),
        ({"spec": {"containers": [1.5]}}, "cannot restore struct from: float64"),
    ],
)
def test_wrong_types_after_a_strategic_patch(obj: dict[str, Any], message: str) -> None:
    with pytest.raises(failure.DecodeError) as caught:
        structure.conform(obj, "v1", "Pod", patching=True)
    assert caught.value.message == message


def test_at_most_a_hundred_strict_errors() -> None:
    assert len(structure.conform({f"a{n}": 1 for n in range(150)}, "v1", "Pod")) == 100


def test_completion() -> None:
    obj: dict[str, Any] = {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
    structure.complete(obj, "apps/v1", "DaemonSet")
    assert obj == {
        "metadata": {},
        "spec": {
            "template": {"metadata": {}, "spec": {"containers": [{"name": "a", "resources": {}}]}},
            "updateStrategy": {},
        },
        "status": {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    }


def test_not_registered() -> None:
    with pytest.raises(failure.NotRegistered, match=r'no kind "Widget" is registered for version "example.com/v1"'):
        structure.conform({}, "example.com/v1", "Widget")


def test_what_is_built_in() -> None:
    assert structure.knows("v1", "Status")
    assert structure.knows("example.com/v1", "DeleteOptions")
    assert not structure.knows("example.com/v1", "Condition")
    assert not structure.knows("apps/v1", "Pod")


DEFAULTS = pathlib.Path(__file__).parents[3] / "golden" / "upstream" / "defaults"


@pytest.mark.parametrize("path", sorted(DEFAULTS.glob("*.output.yaml")), ids=lambda path: path.name.split(".")[0])
def test_what_upstream_stored_stays_as_it_is(path: pathlib.Path) -> None:
    text = path.read_text().replace("<time>", "'2025-01-01T00:00:00Z'").replace("<port>", "30000")
    written = without_nulls(yaml.load(text, Loader=yaml.CSafeLoader))
    obj = json.loads(json.dumps(written))
    assert structure.conform(obj, written["apiVersion"], written["kind"]) == []
    assert obj == written
    structure.complete(obj, written["apiVersion"], written["kind"])
    assert obj == written


@pytest.mark.parametrize("path", sorted(DEFAULTS.glob("*.input.yaml")), ids=lambda path: path.name.split(".")[0])
def test_what_users_write_is_known(path: pathlib.Path) -> None:
    for obj in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
        assert structure.conform(obj, obj["apiVersion"], obj["kind"]) == []
