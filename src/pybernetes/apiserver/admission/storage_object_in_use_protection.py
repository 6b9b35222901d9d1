"""Volumes and claims are held by a finalizer until nobody uses them.

Upstream: plugin/pkg/admission/storage/storageobjectinuseprotection.
"""

from pybernetes.apimachinery import meta
from pybernetes.apiserver.admission.attributes import Attributes

FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
}


class StorageObjectInUseProtection:
    """The plugin `StorageObjectInUseProtection`."""

    name = "StorageObjectInUseProtection"

    def handles(self, attributes: Attributes) -> bool:
        """New volumes and claims."""
        kind = attributes.kind
        return attributes.operation == "CREATE" and not kind.group and kind.plural in FINALIZERS

    async def admit(self, attributes: Attributes) -> None:
        """Put the finalizer on."""
        assert attributes.object is not None
        meta.add_finalizer(attributes.object, FINALIZERS[attributes.kind.plural])

    async def validate(self, attributes: Attributes) -> None:
        """Nothing to refuse."""
