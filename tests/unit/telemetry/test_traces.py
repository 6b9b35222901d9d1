"""Steps are told while somebody listens."""

from pybernetes.telemetry import traces


def _work() -> None:
    traces.step(12, "default/web", "two")


def test_steps_are_heard_with_their_place() -> None:
    heard: list[traces.Step] = []
    _work()
    with traces.listening(heard.append):
        _work()
    _work()
    (one,) = [step for step in heard if step.n == 12]
    assert (one.object, one.note) == ("default/web", "two")
    assert one.function.endswith(":_work")
    assert one.source.endswith(f".py:{_work.__code__.co_firstlineno + 1}")


def test_starts_are_kept() -> None:
    traces.started(1, "kept")
    heard: list[traces.Step] = []
    with traces.listening(heard.append):
        pass
    assert "kept" in [step.object for step in heard]
