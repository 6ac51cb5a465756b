"""The package's own HTML templates: data is passed as variables, never concatenated into a template."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


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
    made.filters["picture"] = _picture
    made.filters["css_words"] = _css_words
    made.filters["room"] = _room
    return made


_DRAWN = {"svg", "g", "path", "use", "text", "tspan", "defs", "clipPath", "rect", "title", "pattern"}
_ACTIVE = re.compile(r"""\son\w+\s*=|href\s*=\s*["'](?!#)|url\((?!#)|<!|<\?""", re.IGNORECASE)


def _picture(svg: str, alt: str) -> Markup:
    """The picture as part of the page, so that its words are in the page's font and its points say what they are.

    A picture that holds more than the toolkit draws, which a received notebook may, is shown as an image: that runs nothing.
    """
    if set(re.findall(r"</?([^\s/>]+)", svg)) <= _DRAWN and not _ACTIVE.search(svg):
        role = "group" if "<title>" in svg else "img"
        return Markup(svg.replace("<svg ", f'<svg role="{role}" aria-label="{escape(alt)}" ', 1))  # noqa: S704 checked above
    data = b64encode(svg.encode("utf-8")).decode("ascii")
    return Markup('<img src="data:image/svg+xml;base64,{}" alt="{}">').format(data, alt)


def _css_words(text: str) -> Markup:
    """Words as the content of a style rule, every character but letters and digits as its number."""
    return Markup("".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text))  # noqa: S704 nothing is left to escape


def _room(width: int) -> str:
    # without a least width the browser breaks Chinese after every character before it lets the table scroll
    return f"{min(max(width, 6), 20) / 2 + 1:g}em"


def fragment(macro: str, *given: object) -> str:
    """What a macro of `blocks.html.jinja` gives, as HTML."""
    return str(getattr(environment().get_template("blocks.html.jinja").module, macro)(*given)).strip()
