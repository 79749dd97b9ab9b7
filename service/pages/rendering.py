"""Draws a page from a template and plain values."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePath
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from service.pages import assets
from service.pages.answers import measured
from service.rankings import percent
from service.reports.wording import CHECK_MEANINGS, STATE_MEANINGS, SYMBOLS, check_label

_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self' 'unsafe-inline'",  # the charts set the size and colour of their parts
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
EVALUATION_TABS = (
    ("answer", "", "Answer"),
    ("grid", "/grid", "Grid"),
    ("strip", "/strip", "Strip"),
    ("compare", "/compare", "Compare"),
    ("audit", "/audit", "Audit"),
    ("report", "/report", "Report"),
)
"""The pages of one evaluation: the name in ``here``, the address behind the evaluation's own, and the label."""

HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page.

    Args:
        template: name of a template in ``service/pages/templates`` that extends ``base.html.j2``.
        status: the HTTP status.
        values: what the template names. ``base.html.j2`` itself can do with ``here`` (which part of the site this is),
            ``miniature`` (whether the banner is needed) and ``evaluation`` (whose tabs to show).
    """
    return HTMLResponse(environment().get_template(template).render(**values), status, HEADERS)


@cache
def environment() -> Environment:
    """The templates of the pages, and of the report whose parts they share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("service.pages"), PackageLoader("service.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        percent=percent,
        css=css_percent,
        check_label=check_label,
        bytes=byte_size,
        when=when,
        thousands=thousands,
        base_name=base_name,
        sentence=sentence,
        coded=coded,
        measured=measured,
        p_value=p_value,
        points=points,
    )
    made.globals.update(
        asset=assets.address,
        symbols=SYMBOLS,
        state_meanings=STATE_MEANINGS,
        check_meanings=CHECK_MEANINGS,
        evaluation_tabs=EVALUATION_TABS,
    )
    return made


def css_percent(share: float) -> str:
    """A share as a length: ``0.25`` is ``25.00%``."""
    return f"{100 * share:.2f}%"


def sentence(text: str) -> Markup:
    """A message for a page: it begins with a capital letter, and what stands between backticks is set as code.

    >>> str(sentence("no <key>; see `bleedcheck keys create`"))
    'No &lt;key&gt;; see <code>bleedcheck keys create</code>'
    """
    return coded(text[:1].upper() + text[1:])


def coded(text: str) -> Markup:
    """A text for a page: what stands between backticks is set as code.

    >>> str(coded("`x0` < 3"))
    '<code>x0</code> &lt; 3'
    """
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def base_name(base: str) -> str:
    """A base model's name without the folders in front of it.

    >>> base_name("/models/anima"), base_name("circlestone-labs/Anima")
    ('anima', 'circlestone-labs/Anima')
    """
    return PurePath(base).name if PurePath(base).is_absolute() else base


def p_value(p: float) -> str:
    """A p-value without false precision.

    >>> p_value(0.00002), p_value(0.04)
    ('< 0.001', '0.040')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def points(difference: float | None) -> str:
    """A difference of rates in percentage points, always with its sign.

    >>> points(-0.124), points(0.0)
    ('−12', '0')
    """
    if difference is None:
        return "–"
    number = round(100 * difference)
    return "0" if number == 0 else f"{'+' if number > 0 else '−'}{abs(number)}"


def byte_size(size: float) -> str:
    """Bytes for people.

    >>> byte_size(2_510_400), byte_size(900)
    ('2.5 MB', '900 bytes')
    """
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size:.0f} bytes"


def thousands(number: int) -> str:
    """A count with its thousands apart.

    >>> thousands(580000)
    '580\xa0000'
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def when(seconds: float) -> str:
    """A time, in UTC: scripts show it in the reader's own zone.

    >>> when(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
