"""Where a request comes from: the host it asks for, and the site whose page sends it.

A page on the internet can make its reader's browser talk to a server on loopback. It can post forms across sites, and
with a name that it points at 127.0.0.1 after loading (DNS rebinding) it can even read the answers. So also on loopback
the ``Host`` must be one of ours, and what changes things must not be sent by another site's page.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from service.errors import CrossSite, WrongHost

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether an address or name reaches this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_name(authority: str) -> str:
    """The name in a ``Host`` header, without port and brackets, in lower case; empty if it is none.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000")
    ('localhost', '::1')
    """
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def check_host(authority: str, allowed: Collection[str]) -> None:
    """See that a request is meant for this server.

    Args:
        authority: the ``Host`` header.
        allowed: names in lower case; "*" stands for any.

    Raises:
        WrongHost: it asks for another name.
    """
    if "*" not in allowed and host_name(authority) not in allowed:
        raise WrongHost(
            f"this server does not answer to {authority[:100]!r}; use http://127.0.0.1 or http://localhost, or let "
            "its operator name the host in BLEEDCHECK_ALLOWED_HOSTS"
        )


def check_site(method: str, authority: str, fetch_site: str | None, origin: str | None) -> None:
    """See that what changes things is not sent by another site's page.

    Browsers say so in ``Sec-Fetch-Site``, older ones in ``Origin``; programs send neither. Another port of this
    machine is another site too.

    Raises:
        CrossSite: it is.
    """
    if method in SAFE_METHODS:
        return
    if fetch_site is not None:
        foreign = fetch_site.strip().lower() not in ("same-origin", "none")
    else:
        foreign = origin is not None and _authority(origin) != authority.lower()
    if foreign:
        raise CrossSite("another site's page sent this; use the server's own pages, or a program")


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
