"""`report.html`: one page that needs nothing else, not even a network."""

from base64 import b64encode
from functools import cache
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

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


def render_html(view: View) -> str:
    return _environment().get_template("report.html").render(view=view, marks=_MARKS)


def render_content(view: View) -> str:
    """What stands in the page, without the page around it."""
    template = _environment().get_template("report.html")
    return "".join(template.blocks["report"](template.new_context({"view": view, "marks": _MARKS})))


def render_live(title: str, html: str, state: str) -> str:
    """The page around content that `render_content` made, which replaces it as more of it comes. See `live.js`."""
    script = _environment().loader.get_source(_environment(), "live.js")[0]  # type: ignore[union-attr]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    told = {"title": title, "content": Markup(html), "state": state}
    return _environment().get_template("live.html").render(**told, live_script=Markup(script), live_digest=digest)
