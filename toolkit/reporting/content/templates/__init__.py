"""The package's own HTML templates: data is passed as variables, never concatenated into a template."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """The one jinja2 environment: everything escaped, an unknown name is an error, templates from the package only."""
    made = Environment(
        loader=PackageLoader("toolkit.reporting.content", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["data_uri"] = _data_uri
    made.filters["room"] = _room
    return made


def _data_uri(svg: str) -> str:
    # an <img>, not inline SVG: a picture can then neither run script nor share ids with another picture
    return "data:image/svg+xml;base64," + b64encode(svg.encode("utf-8")).decode("ascii")


def _room(width: int) -> str:
    # without a least width the browser breaks Chinese after every character before it lets the table scroll
    return f"{min(max(width, 6), 20) / 2 + 1:g}em"


def fragment(macro: str, *given: object) -> str:
    """What a macro of `blocks.html.jinja` gives, as HTML."""
    return str(getattr(environment().get_template("blocks.html.jinja").module, macro)(*given)).strip()
