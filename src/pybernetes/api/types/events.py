"""events.k8s.io/v1: Event.

Upstream: k8s.io/api/events/v1. Pure.
"""

from pybernetes.api.types import core
from pybernetes.api.types.meta import Object, Struct, Time, always


class EventSeries(Struct):
    """How often the same thing happened again."""

    count: int = always(0)
    lastObservedTime: Time = ""


class Event(Object):
    """Something that happened to an object."""

    apiVersion: str = always("events.k8s.io/v1")
    kind: str = always("Event")
    eventTime: Time = ""
    series: EventSeries | None = None
    reportingController: str = ""
    reportingInstance: str = ""
    action: str = ""
    reason: str = ""
    regarding: core.ObjectReference = core.ObjectReference()
    related: core.ObjectReference | None = None
    note: str = ""
    type: str = ""
    deprecatedSource: core.EventSource = core.EventSource()
    deprecatedFirstTimestamp: Time = ""
    deprecatedLastTimestamp: Time = ""
    deprecatedCount: int = 0
