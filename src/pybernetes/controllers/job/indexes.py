"""Sets of completion indexes and their short spelling: `0-3,5,7,8`.

Upstream: pkg/controller/job/indexed_job_utils.go. Pure.
"""

from collections.abc import Iterable, Set


def parse(text: str, completions: int) -> set[int]:
    """The indexes a status or rule names, as far as the Job has them; corrupt parts are ignored."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        if first.isdecimal() and (not last or last.isdecimal()):
            found.update(range(int(first), min(int(last or first) + 1, completions)))
    return found


def render(indexes: Iterable[int]) -> str:
    """The spelling: runs of three and more with a dash."""
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), -1]:
        if run and index == run[-1] + 1:
            run.append(index)
            continue
        if len(run) > 2:
            parts.append(f"{run[0]}-{run[-1]}")
        else:
            parts += map(str, run)
        run = [index]
    return ",".join(parts)


def first_pending(taken: Set[int], count: int, completions: int) -> list[int]:
    """The lowest `count` indexes that are not taken."""
    found: list[int] = []
    for index in range(completions):
        if len(found) == count:
            break
        if index not in taken:
            found.append(index)
    return found
