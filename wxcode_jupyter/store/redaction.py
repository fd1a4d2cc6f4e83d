"""Addresses without their secrets, fit for messages and logs."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

_SECRET_OPTION = re.compile(r"([?&][^=&#]*(?:password|token|secret|authmechanismproperties)[^=&#]*=)[^&#]*", re.I)


def redact(url: str) -> str:
    """Return ``url`` without its password, and without options that carry one.

    The password is taken to reach up to the last ``@``: one that should have been percent-encoded and holds ``/``,
    ``?`` or ``@`` itself is hidden too, at the price of hiding more than needed in an odd address.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    userinfo, at, location = rest.rpartition("@")
    if at and ":" in userinfo:
        rest = f"{userinfo.partition(':')[0]}:{HIDDEN}@{location}"
    return _SECRET_OPTION.sub(rf"\1{HIDDEN}", f"{scheme}{separator}{rest}")


def secrets_of(url: str) -> tuple[str, ...]:
    """Return what must not be seen of ``url``: itself and its password, as written and decoded; nothing without one."""
    if redact(url) == url:
        return ()
    userinfo = url.partition("://")[2].rpartition("@")[0]
    password = userinfo.partition(":")[2]
    return tuple(dict.fromkeys(filter(None, (url, password, unquote(password)))))
