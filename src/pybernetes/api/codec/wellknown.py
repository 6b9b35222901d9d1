"""The value types that write themselves to JSON in their own way: times, quantities, durations, int-or-string.

Upstream: MarshalJSON of metav1.Time, MicroTime, Duration, resource.Quantity, intstr.IntOrString. Pure.
"""

import datetime
from collections.abc import Callable
from typing import Any

import msgspec

from pybernetes.api.codec import failure
from pybernetes.apimachinery import timestamps

EPOCH = datetime.datetime(1970, 1, 1)

# Any JSON value, kept as it is.
RAW = frozenset({"RawExtension", "FieldsV1", "JSON"})
SCHEMA_UNIONS = frozenset({"JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"})
# Messages that stand for the list of their `items`.
LISTS = frozenset({"Verbs", "ExtraValue", "AttestationValue"})


def time(fields: dict[str, Any]) -> str | None:
    """Seconds only: protobuf clients never carried more, and neither does Kubernetes' JSON."""
    return _moment(fields["seconds"]).isoformat() + "Z" if "seconds" in fields else None


def micro_time(fields: dict[str, Any]) -> str | None:
    if not fields:
        return None
    moment = _moment(fields.get("seconds", 0)) + datetime.timedelta(microseconds=fields.get("nanos", 0) // 1000)
    return moment.isoformat(timespec="microseconds") + "Z"


def _moment(seconds: int) -> datetime.datetime:
    try:
        return EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        raise failure.DecodeError(f"time of {seconds} seconds is out of range") from None


def quantity(fields: dict[str, Any]) -> str:
    return fields.get("string") or "0"


def int_or_string(fields: dict[str, Any]) -> int | str:
    result: int | str = fields.get("strVal", "") if fields.get("type") == 1 else fields.get("intVal", 0)
    return result


def duration(fields: dict[str, Any]) -> str:
    return timestamps.format_duration(fields.get("", 0))


# By name of the message alone: no other message of the API is called so.
MESSAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "Time": time,
    "MicroTime": micro_time,
    "Quantity": quantity,
    "IntOrString": int_or_string,
    "Duration": duration,
}

ZERO_IN_MAP: dict[str, Any] = {"Quantity": "0", "Time": None, "ExtraValue": [], "AttestationValue": []}


def embedded_json(raw: bytes) -> Any:
    """The value of a RawExtension, FieldsV1 or JSON; nothing stands for null."""
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failure.DecodeError(f"couldn't read the JSON inside: {error}") from None
    except RecursionError:
        raise failure.DecodeError("exceeded max depth") from None
