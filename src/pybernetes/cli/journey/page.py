"""A journey as one HTML page without anything from outside. Pure."""

import html
from collections.abc import Sequence

from pybernetes.cli.journey import story

_HEAD = """<!doctype html>
<meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; color: #222; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd; }}
td.number, td.time {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
code {{ font-size: 12px; color: #555; }}
</style>
<h1>{title}</h1>
<table><tr><th>ms<th>step<th>component<th>object<th>what<th>where</tr>
"""


def write(title: str, lines: Sequence[story.Line]) -> str:
    """The page's text."""
    began = next((line.step.time for line in lines if line.step.n > 5), 0.0)
    parts = [_HEAD.format(title=html.escape(title))]
    for line in lines:
        step, row = line.step, line.row
        what = ". ".join(part for part in (row.sentence, step.note, line.event) if part)
        where = f"{step.function} {step.source}" if step.function else "nowhere"
        cells = (step.component or row.component, step.object, what)
        parts.append(
            f'<tr><td class="time">{(step.time - began) * 1000:.1f}<td class="number">{step.n}'
            + "".join(f"<td>{html.escape(cell)}" for cell in cells)
            + f"<td><code>{html.escape(where)}</code><br><code>upstream {html.escape(row.upstream)}</code></tr>\n"
        )
    return "".join(parts) + "</table>\n"
