"""`report.html`: one page that needs nothing else, not even a network."""

import base64
import hashlib
import json
from functools import cache
from typing import Any

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
    environment.filters |= {"since": since, "data": as_data}
    return environment


def _finalize(value: object) -> object:
    # Markup (what macros return) has been through here already.
    return value if hasattr(value, "__html__") else visible(value)


def as_data(value: Any) -> Markup:
    """JSON for a `<script type="application/json">`: nothing in it can end the element, or hide."""
    text = json.dumps(_shown(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(key): _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def _script(name: str) -> tuple[Markup, str]:
    """A script of ours, and its hash for the policy, which allows no other."""
    environment = _environment()
    source = environment.loader.get_source(environment, name)[0]
    return Markup(source), base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def render_history(history: Any) -> str:
    """`history.html`, in the look of a report; `history` is an `e2e.report.view_history.Page`."""
    return _environment().get_template("history.html").render(page=history, marks=_MARKS)


def render_html(view: View) -> str:
    script, digest = _script("report.js")
    template = _environment().get_template("report.html")
    return template.render(view=view, marks=_MARKS, script=script, digest=digest)


def render_content(view: View) -> str:
    """What stands in the page, without the page around it."""
    template = _environment().get_template("report.html")
    return "".join(template.blocks["report"](template.new_context({"view": view, "marks": _MARKS})))


def render_live(title: str, html: str, state: str) -> str:
    """The page around content that `render_content` made, which replaces it as more of it comes. See `live.js`."""
    (script, digest), (live_script, live_digest) = _script("report.js"), _script("live.js")
    scripts = {"script": script, "digest": digest, "live_script": live_script, "live_digest": live_digest}
    return _environment().get_template("live.html").render(title=title, content=Markup(html), state=state, **scripts)
