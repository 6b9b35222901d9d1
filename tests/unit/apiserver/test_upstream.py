"""Requests that upstream refused, put to a server in process: same codes, same Status, word for word."""

import asyncio
import email.message
import importlib.util
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.apiserver import conftest

ROOT = pathlib.Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "upstream"
DIFFERENT = {
    # The columns' descriptions are our own.
    "accept-table-include-object",
    "watch-list-table",
    # Nothing is compacted in a server that has just started.
    "continue-expired",
    "version-exact-expired",
    # What Go's JSON reader says of bytes that are no text.
    "continue-garbage",
    # The listening socket refuses this one.
    "body-too-large",
}


def _load_cases() -> Any:
    spec = importlib.util.spec_from_file_location("upstream_cases", ROOT / "tests" / "upstream" / "cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


cases = _load_cases()


class InProcess(cases.Server):  # type: ignore[misc, name-defined]
    """The recorder's server, without a socket."""

    def __init__(self, runner: asyncio.Runner, api: conftest.Api) -> None:
        self._runner = runner
        self._api = api
        self._resources = {}

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, bytes]:
        fields = {"Accept": "application/json", **(headers or {})}

        async def exchange() -> conftest.Answer:
            pairs = [(name, value) for name, value in fields.items() if value]
            asked = self._api.group.start(self._api.raw(method, path, body or b"", pairs), "request")
            while not asked.done():
                await self._api.clock.advance(0.5)
            return await self._api.read(asked.result())

        answer = self._runner.run(exchange())
        message = email.message.Message()
        for name, value in answer.headers:
            message[name] = value
        return answer.status, message, b"" if method == "HEAD" else answer.text.encode()


@pytest.fixture(scope="module")
def server() -> Iterator[InProcess]:
    with asyncio.Runner() as runner:
        context = conftest.running()
        made = InProcess(runner, runner.run(context.__aenter__()))
        made.ensure_namespace()
        yield made
        runner.run(context.__aexit__(None, None, None))


def _recorded() -> Iterator[Any]:
    for case in cases.load(GOLDEN / "errors" / "request.yaml"):
        if case["name"] not in DIFFERENT:
            yield pytest.param(case, id=case["name"])


@pytest.mark.parametrize("case", list(_recorded()))
def test_requests_are_answered_as_upstream_answers_them(server: InProcess, case: dict[str, Any]) -> None:
    asked = {key: value for key, value in case.items() if key != "expect"}
    found = cases.run_case(server, asked)["expect"]
    found.get("object", {}).get("metadata", {}).pop("managedFields", None)
    assert found == case["expect"]
