"""The URL of a database without its password, which stands in no file, no database and no message of a run.

Whoever opens the database gives the password anew: with --storage, in the environment variable NASCOMPILE_STORAGE, or
to the database's own client (PGPASSWORD, ~/.pgpass).
"""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["STORAGE_VARIABLE", "hide_passwords", "same_place", "without_password"]

STORAGE_VARIABLE = "NASCOMPILE_STORAGE"
#: From the colon behind the user to the last @ of the word, however the URL begins: a password may have any of the
#: characters that delimit.
_IN_PLACE = re.compile(r"(\w[\w+.-]*:?//?(?!/)[^\s/:@?]*):(\S*)@")
_IN_QUERY = re.compile(r"([?&])(?:password|passwd|pwd)=([^&\s]*)(&?)", re.IGNORECASE)


def without_password(text: str) -> str:
    """A URL, or a text with URLs in it, without passwords.

    Example:
        >>> without_password("postgresql+psycopg://me:se:c/r@t@host:5432/nas?sslmode=require")
        'postgresql+psycopg://me@host:5432/nas?sslmode=require'
        >>> without_password("search --storage=postgresql://host/nas?user=me&password=secret --jobs 2")
        'search --storage=postgresql://host/nas?user=me --jobs 2'
        >>> without_password("sqlite:///runs.db")
        'sqlite:///runs.db'
    """
    text = _IN_PLACE.sub(r"\1@", text)
    return _IN_QUERY.sub(lambda found: found[1] if found[3] else "", text)


def hide_passwords(message: str, url: str) -> str:
    """A message that quotes a URL, or parts of it, without its passwords.

    Example:
        >>> hide_passwords("no user me: password 'a b' of postgresql://me:a%20b@host", "postgresql://me:a%20b@host")
        "no user me: password '***' of postgresql://me@host"
    """
    message = without_password(message)
    secrets = [found[2] for pattern in (_IN_PLACE, _IN_QUERY) for found in pattern.finditer(url)]
    for secret in sorted({*secrets, *map(unquote, secrets)}, key=len, reverse=True):
        message = message.replace(secret, "***") if secret else message
    return message


def same_place(one: str, other: str) -> bool:
    """Whether two URLs differ in their passwords at most.

    Example:
        >>> same_place("postgresql://me:x@host/nas", "postgresql://me@host/nas")
        True
    """
    return without_password(one) == without_password(other)
