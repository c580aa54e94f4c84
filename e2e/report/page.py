"""`report.html`: one page that needs nothing else, not even a network."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from e2e.report.blocks import View
from e2e.report.text import visible
from e2e.report.view_timeline import since

# Plain signs, coloured by the style sheet: not every machine has a font with emoji.
_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "none": "·"}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("e2e.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every value passes here before it is escaped, so that no template can forget it.
        finalize=_finalize,
    )
    environment.filters["since"] = since
    return environment


def _finalize(value: object) -> object:
    # Markup (what macros return) has been through here already.
    return value if hasattr(value, "__html__") else visible(value)


def render_history(history: Any) -> str:
    """`history.html`, in the look of a report; `history` is an `e2e.report.view_history.Page`."""
    return _environment().get_template("history.html").render(page=history, marks=_MARKS)


def render_html(view: View) -> str:
    return _environment().get_template("report.html").render(view=view, marks=_MARKS)
