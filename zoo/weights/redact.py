"""Keeps secrets and control characters of URLs out of everything that people read."""

from __future__ import annotations

import re

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>|]+")

SHORTEST_SECRET = 4
"""Characters from which on a part of a URL is blotted out of foreign text; shorter ones would blot out ordinary words."""


def redact(url: str) -> str:
    """Returns a URL without user, password, query and fragment, and without characters that a terminal obeys.

    `"https://me:secret@host/file?token=1" -> "https://host/file"`.
    """
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, colon, rest = bare.partition(":")
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = "//" + authority.rpartition("@")[2] + slash + path
    return printable(scheme + colon + rest)


def scrub(text: str, url: str) -> str:
    """Returns the text of a foreign error: its URLs redacted, and what is secret in `url` blotted out wherever it stands."""
    cleaned = URL.sub(lambda match: redact(match[0]), text)
    for secret in _secrets(url):
        cleaned = cleaned.replace(secret, "***")
    return printable(cleaned)


def printable(text: str) -> str:
    """Returns text on one line in which control characters, which could steer a terminal, are spelled out."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _secrets(url: str) -> tuple[str, ...]:
    """Returns what of a URL must not be shown, longest first: the query, its values, user and password."""
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    user = parts.netloc.rpartition("@")[0]
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    found = {parts.query, parts.fragment, user, *user.split(":"), *values}
    found |= {unquote(secret) for secret in found}
    return tuple(sorted((secret for secret in found if len(secret) >= SHORTEST_SECRET), key=len, reverse=True))
