"""What the authors of everything else left out.

Pure; every function changes the dict that it is given.
Upstream: pkg/apis/*/v1/defaults.go, apiextensions-apiserver and kube-aggregator defaults.
"""

from typing import Any

Object = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"


def endpoint_slice(obj: Object) -> None:
    """An EndpointSlice's ports have a name (maybe empty) and are TCP."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.setdefault("conditions", {})
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def pod_certificate_request(obj: Object) -> None:
    """A Pod's certificate may last a day."""
    spec = obj.setdefault("spec", {})
    if spec.get("maxExpirationSeconds") is None:
        spec["maxExpirationSeconds"] = 86400


def binding(obj: Object) -> None:
    """A role binding: groups of the role and of its subjects."""
    reference = obj.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = RBAC
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = RBAC


def priority_class(obj: Object) -> None:
    """A priority class lets its Pods preempt others."""
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"


def storage_class(obj: Object) -> None:
    """A storage class deletes volumes with their claims and binds at once."""
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def csi_driver(obj: Object) -> None:
    """A CSI driver attaches volumes, knows no capacity, changes file ownership with care."""
    spec = obj.setdefault("spec", {})
    for field, value in (
        ("attachRequired", True),
        ("podInfoOnMount", False),
        ("storageCapacity", False),
        ("requiresRepublish", False),
        ("fsGroupPolicy", "ReadWriteOnceWithFSType"),
        ("seLinuxMount", False),
        ("preventPodSchedulingIfMissing", False),
    ):
        if spec.get(field) is None:
            spec[field] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def network_policy(obj: Object) -> None:
    """A network policy is about ingress, and about egress if it has rules for it."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    for field in ("ingress", "egress"):
        for rule in spec.get(field) or ():
            for port in rule.get("ports") or ():
                if port.get("protocol") is None:
                    port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def ingress_class(obj: Object) -> None:
    """Parameters of an ingress class are of the cluster."""
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def webhooks(obj: Object) -> None:
    """Admission webhooks: fail when they fail, equivalent matches, everything selected, ten seconds."""
    mutating = obj.get("kind") == "MutatingWebhookConfiguration"
    for one in obj.get("webhooks") or ():
        defaults: Object = {
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "timeoutSeconds": 10,
        }
        if mutating:
            defaults["reinvocationPolicy"] = "Never"
        for field, value in defaults.items():
            if one.get(field) is None:
                one[field] = value
        for rule in one.get("rules") or ():
            if rule.get("scope") is None:
                rule["scope"] = "*"
        service = (one.get("clientConfig") or {}).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443


def admission_policy(obj: Object) -> None:
    """Admission policies: fail when they fail, equivalent matches, everything selected."""
    spec = obj.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    constraints = spec.get("matchConstraints")
    if constraints is not None:
        _match_resources(constraints)


def admission_policy_binding(obj: Object) -> None:
    """Bindings of admission policies."""
    resources = obj.setdefault("spec", {}).get("matchResources")
    if resources is not None:
        _match_resources(resources)


def _match_resources(resources: Object) -> None:
    for field, value in (("matchPolicy", "Equivalent"), ("namespaceSelector", {}), ("objectSelector", {})):
        if resources.get(field) is None:
            resources[field] = value
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in resources.get(field) or ():
            if rule.get("scope") is None:
                rule["scope"] = "*"


def custom_resource_definition(obj: Object) -> None:
    """A definition: singular and list names from its kind, no conversion, port 443 of a conversion webhook."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if not names.get("singular"):
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    conversion = spec.get("conversion")
    if conversion is None:
        spec["conversion"] = {"strategy": "None"}
    else:
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443


def api_service(obj: Object) -> None:
    """An API service is reached on port 443."""
    service = obj.setdefault("spec", {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443


def flow_schema(obj: Object) -> None:
    """A flow schema's place in the order."""
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


def priority_level(obj: Object) -> None:
    """A priority level: thirty shares, nothing lent, queues of fifty."""
    spec = obj.setdefault("spec", {})
    if spec.get("exempt") is not None or spec.get("type") == "Exempt":
        exempt = spec.setdefault("exempt", {})
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is None:
        return
    if limited.get("nominalConcurrencyShares") is None:
        limited["nominalConcurrencyShares"] = 30
    limited.setdefault("lendablePercent", 0)
    queuing = (limited.get("limitResponse") or {}).get("queuing")
    if queuing is not None:
        for field, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
            if not queuing.get(field):
                queuing[field] = value


def resource_claim(obj: Object) -> None:
    """Requests of a claim: exactly one device unless said otherwise."""
    _device_requests(obj.get("spec"))


def resource_claim_template(obj: Object) -> None:
    """The same, in a template."""
    _device_requests((obj.get("spec") or {}).get("spec"))


def _device_requests(spec: Object | None) -> None:
    for request in ((spec or {}).get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is None:
                continue
            if not one.get("allocationMode"):
                one["allocationMode"] = "ExactCount"
            if one["allocationMode"] == "ExactCount" and not one.get("count"):
                one["count"] = 1
            _tolerations(one)


def _tolerations(request: Object) -> None:
    for toleration in request.get("tolerations") or ():
        toleration.setdefault("operator", "Equal")
