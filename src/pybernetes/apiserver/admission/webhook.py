"""Webhooks that change or refuse requests: mutating ones are asked one after another, validating ones side by side.

Upstream: k8s.io/apiserver/pkg/admission/plugin/webhook, pkg/admission/metrics.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api import kinds
from pybernetes.api.codec import failure, structure
from pybernetes.apimachinery import errors, gvk, meta
from pybernetes.apimachinery.patch import json_patch, values
from pybernetes.apiserver import webhooks
from pybernetes.apiserver.admission import webhook_match as match
from pybernetes.apiserver.admission import webhook_review as reviews
from pybernetes.apiserver.admission.attributes import Attributes, Reinvocation
from pybernetes.telemetry import metrics

Object = dict[str, Any]

GROUP = "admissionregistration.k8s.io"
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
MUTATION = "mutation.webhook.admission.k8s.io/"
FAILED_OPEN = {"admit": f"failed-open.{MUTATION}", "validating": "failed-open.validating.webhook.admission.k8s.io/"}
MAX_CODE = 600

logger = logging.getLogger(__name__)

_DURATION = metrics.DEFAULT.histogram(
    "apiserver_admission_webhook_admission_duration_seconds",
    "Seconds that webhooks took to answer",
    ("name", "type", "operation", "rejected"),
    (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10, 25),
)
_REQUESTS = metrics.DEFAULT.counter(
    "apiserver_admission_webhook_request_total",
    "Requests to webhooks",
    ("name", "type", "operation", "code", "rejected"),
)
_REJECTIONS = metrics.DEFAULT.counter(
    "apiserver_admission_webhook_rejection_count",
    "Requests that webhooks, or failures to call them, ended",
    ("name", "type", "operation", "error_type", "rejection_code"),
)
_FAIL_OPEN = metrics.DEFAULT.counter(
    "apiserver_admission_webhook_fail_open_count", "Failed calls that were ignored", ("name", "type")
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    """One webhook about one request; `index` is its place in what audit annotations count."""

    hook: match.Hook
    row: kinds.Kind
    asked: Attributes
    step: str
    index: int

    @property
    def round(self) -> int:
        again = self.asked.reinvocation
        return int(again is not None and again.again)


Use = Callable[[reviews.Response, Object | None], None]


class Dispatcher:
    """The webhooks of a server, as the configurations in its store say, and how they are asked."""

    def __init__(self, caller: webhooks.Webhooks, served: kinds.KindTable, clock: clocks.Clock) -> None:
        self._caller = caller
        self._served = served
        self._clock = clock
        self._configurations: dict[str, dict[str, Object]] = {MUTATING: {}, VALIDATING: {}}
        self.mutating: tuple[match.Hook, ...] = ()
        self.validating: tuple[match.Hook, ...] = ()

    def put(self, resource: str, configuration: Object) -> None:
        """A configuration is there, or has changed."""
        self._configurations[resource][configuration["metadata"]["name"]] = configuration
        self._rebuild(resource)

    def remove(self, resource: str, configuration: Object) -> None:
        """A configuration is gone."""
        self._configurations[resource].pop(configuration["metadata"]["name"], None)
        self._rebuild(resource)

    def _rebuild(self, resource: str) -> None:
        found = match.hooks(self._configurations[resource].values())
        if resource == MUTATING:
            self.mutating = found
        else:
            self.validating = found

    async def mutate(self, asked: Attributes) -> None:
        """Let each mutating webhook that wants to change the object; in a second round those that asked for it."""
        if asked.reinvocation is None:
            asked.reinvocation = Reinvocation()
        state = asked.reinvocation
        if state.again and state.output != asked.object:
            state.owe()
        for index, hook in enumerate(self.mutating):
            row = await self._wanted(hook, asked)
            if row is None or (state.again and hook.uid not in state.due):
                continue
            call = _Call(hook, row, asked, "admit", index)
            before = asked.object
            patched: list[Object] = []
            mutated = False
            try:
                await self._ask(call, functools.partial(self._patch, call, patched))
                if patched:
                    asked.object = await self._working(asked, patched[0])
                    mutated = asked.object != before
            finally:
                facts = {"configuration": hook.configuration, "webhook": hook.name, "mutated": mutated}
                text = msgspec.json.encode(facts).decode()
                asked.annotate(f"{MUTATION}round_{call.round}_index_{index}", text)
            if mutated:
                state.owe()
                state.wanted = True
            if hook.spec.get("reinvocationPolicy") == "IfNeeded":
                state.invoked.add(hook.uid)
        state.output = values.copy(asked.object)

    async def validate(self, asked: Attributes) -> None:
        """Ask each validating webhook that wants to be; raises the first refusal."""
        calls: list[_Call] = []
        for hook in self.validating:
            row = await self._wanted(hook, asked)
            if row is not None:
                calls.append(_Call(hook, row, asked, "validating", len(calls)))
        if not calls:
            return
        refusals: list[errors.StatusError] = []

        async def one(call: _Call) -> None:
            try:
                await self._ask(call, lambda response, sent: None)
            except errors.StatusError as refusal:
                refusals.append(refusal)

        await tasks.gather(*(one(call) for call in calls), name="validating webhook")
        if refusals:
            raise refusals[0]

    async def _wanted(self, hook: match.Hook, asked: Attributes) -> kinds.Kind | None:
        """In which version the webhook wants to hear of the request. Raises NotFound for its namespace."""
        row = match.row(hook, asked, self._equivalents(asked.kind))
        if row is None or not match.selects(hook, asked):
            return None
        namespace = match.namespace_of(asked)
        if hook.namespaces.empty or not (namespace or asked.kind.plural == "namespaces"):
            return row
        if asked.kind.plural == "namespaces" and not asked.subresource and asked.operation in ("CREATE", "UPDATE"):
            found = asked.object
        else:
            found = await asked.objects.get("", "namespaces", "", namespace)
        if found is None:
            raise errors.NotFound("namespaces", namespace)
        return row if hook.namespaces.matches(found["metadata"].get("labels")) else None

    def _equivalents(self, kind: kinds.Kind) -> Sequence[kinds.Kind]:
        """Other rows through which the same objects are served."""

        def key(row: kinds.Kind) -> tuple[str, ...]:
            return (row.group, row.plural) if row.custom else (row.storage_key,)

        return [row for row in self._served.all() if row is not kind and key(row) == key(kind)]

    async def _ask(self, call: _Call, use: Use) -> None:
        """Ask one webhook and use its answer; failures end the request as the webhook's policy says."""
        hook, asked, began = call.hook, call.asked, self._clock.monotonic()
        code, sort = 200, ""
        try:
            await self._answered(call, use)
        except webhooks.CallFailed as problem:
            text = f'failed calling webhook "{hook.name}": {problem}'
            code, sort = problem.code, "" if hook.ignores_failure else "calling_webhook_error"
            if not hook.ignores_failure:
                logger.warning("Failed calling webhook, failing closed %s: %s", hook.name, text)
                raise errors.InternalError(text) from problem
            logger.warning("Failed calling webhook, failing open %s: %s", hook.name, text)
            _FAIL_OPEN.labels(hook.name, call.step).inc()
            asked.annotate(f"{FAILED_OPEN[call.step]}round_{call.round}_index_{call.index}", hook.name)
        except reviews.Denied as refused:
            code, sort = refused.code, "no_error"
            raise
        except errors.StatusError:
            code, sort = 0, "apiserver_internal_error"
            raise
        finally:
            code = min(code, MAX_CODE)
            labels = (hook.name, call.step, asked.operation)
            rejected = "true" if sort else "false"
            if sort:
                _REJECTIONS.labels(*labels, sort, str(code)).inc()
            _REQUESTS.labels(*labels, str(code), rejected).inc()
            _DURATION.labels(*labels, rejected).observe(self._clock.monotonic() - began)

    async def _answered(self, call: _Call, use: Use) -> None:
        hook, asked = call.hook, call.asked
        if asked.dry_run and hook.spec.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        try:
            version = reviews.version(hook)
        except ValueError as problem:
            raise webhooks.CallFailed(f"could not create admission objects: {problem}", 400) from problem
        obj, old = [await self._versioned(call, one) for one in (asked.object, asked.old_object)]
        uid = meta.new_uid(self._clock.random)
        head = {"kind": reviews.KIND, "apiVersion": f"{reviews.GROUP}/{version}"}
        review = {**head, "request": reviews.request(uid, asked, call.row, obj, old)}
        seconds = hook.spec.get("timeoutSeconds") or 10
        try:
            answer = await self._caller.call(hook.spec["clientConfig"], review, seconds)
        except webhooks.CallFailed as problem:
            raise webhooks.CallFailed(f"failed to call webhook: {problem}", problem.code) from problem
        try:
            structure.conform(answer, head["apiVersion"], reviews.KIND)
        except failure.DecodeError as problem:
            raise webhooks.CallFailed(f"failed to call webhook: {problem}") from problem
        try:
            response = reviews.response(answer, version, uid, mutating=call.step == "admit")
        except ValueError as problem:
            raise webhooks.CallFailed(f"received invalid webhook response: {problem}") from problem
        for name, text in (response.auditAnnotations or {}).items():
            asked.annotate(f"{hook.name}/{name}", text)
        asked.warnings += (text for text in response.warnings or () if text not in asked.warnings)
        if not response.allowed:
            raise reviews.Denied(hook.name, response.result)
        use(response, obj)

    async def _versioned(self, call: _Call, obj: Object | None) -> Object | None:
        """A copy of the object in the version that the webhook wants, with all that Go always writes."""
        if obj is None:
            return None
        if obj["kind"] == call.row.kind:
            obj = await call.asked.versions.convert(obj, call.row)
        made: Object = values.copy(obj)
        if structure.knows(made["apiVersion"], made["kind"]):
            structure.complete(made, made["apiVersion"], made["kind"])
        return made

    async def _working(self, asked: Attributes, obj: Object) -> Object:
        """A patched object in the version in which the request's object goes on."""
        assert asked.object is not None
        about = gvk.of(asked.object)
        row = self._served.by_gvk(about.group, about.version, about.kind)
        return obj if row is None else await asked.versions.convert(obj, row)

    def _patch(self, call: _Call, patched: list[Object], response: reviews.Response, sent: Object | None) -> None:
        """Put into `patched` what the patch of a response makes of the object that was sent."""
        try:
            operations = reviews.patch(response)
            json_patch.check(operations)
        except (ValueError, json_patch.PatchError) as problem:
            raise webhooks.CallFailed(f"received undecodable patch in webhook response: {problem}") from problem
        if not operations:
            return
        if sent is None:
            text = f'admission webhook "{call.hook.name}" attempted to modify the object, '
            raise errors.InternalError(text + "which is not supported for this operation")
        if response.patchType not in ("JSONPatch", None):
            raise webhooks.CallFailed(f'unsupported patch type "{response.patchType}"', 400)
        try:
            new = json_patch.apply(sent, operations)
            call.asked.versions.complete(call.row, new)
        except (json_patch.PatchError, failure.DecodeError) as problem:
            raise errors.InternalError(problem) from problem
        patched.append(new)


class MutatingAdmissionWebhook:
    """The plugin `MutatingAdmissionWebhook`."""

    name = "MutatingAdmissionWebhook"

    def handles(self, attributes: Attributes) -> bool:
        """Everything but what decides over webhooks, as soon as there is a webhook."""
        found = attributes.webhooks
        return found is not None and bool(found.mutating) and not match.exempt(attributes.kind)

    async def admit(self, attributes: Attributes) -> None:
        """Ask those whose rules match."""
        assert attributes.webhooks is not None
        await attributes.webhooks.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Everything was said in the mutating phase."""


class ValidatingAdmissionWebhook:
    """The plugin `ValidatingAdmissionWebhook`."""

    name = "ValidatingAdmissionWebhook"

    def handles(self, attributes: Attributes) -> bool:
        """Everything but what decides over webhooks, as soon as there is a webhook."""
        found = attributes.webhooks
        return found is not None and bool(found.validating) and not match.exempt(attributes.kind)

    async def admit(self, attributes: Attributes) -> None:
        """Nothing to change."""

    async def validate(self, attributes: Attributes) -> None:
        """Ask those whose rules match."""
        assert attributes.webhooks is not None
        await attributes.webhooks.validate(attributes)
