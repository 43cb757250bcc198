"""Credentials taken out of what is shown: a URL is opened as it was given, and shown without."""

from __future__ import annotations

import re

# A port and a path look like a password that holds a slash, but a bucket has no port.
_PASSWORD = re.compile(
    r"""(?<=://)(?!\[)[^\s/:@'"]*:(?!\d+[/?#])[^\s<>]*@|(?<=s3://)[^\s/:@'"]*:[^\s<>]*@"""
)
_HTTP_USER = re.compile(r"""(https?://)[^\s/?#<>]*@""")
_HTTP_QUERY = re.compile(r"""(https?://[^\s?'"<>]*)\?[^\s'"<>]*""")
_SECRET_PARAMETER = re.compile(
    r"""([?&;#][\w.%-]*(?:sig|token|secret|passw|pwd|credential|key|auth)[\w.%-]*=)[^\s&'"<>]+""",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Take credentials and signatures out of the URLs in a text.

    Names and passwords go, as do the queries of HTTP, which may be a signature from end to end,
    and the values of parameters elsewhere whose names speak of a secret.
    """
    text = _HTTP_USER.sub(r"\1", _PASSWORD.sub("", text))
    return _SECRET_PARAMETER.sub(r"\1***", _HTTP_QUERY.sub(r"\1", text))
