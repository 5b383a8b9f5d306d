"""What may differ between two answers, each kind under a name that a request file must give.

Most callers need `RULES`. A rule rewrites one field of an answer and keeps everything it does not name; there is none
that drops a body or a header field. A rule that finds nothing to rewrite is reported by the comparison.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

HTTP_DATE = r"[A-Z][a-z]{2}, \d\d[ -][A-Z][a-z]{2}[ -]\d{4} \d\d:\d\d:\d\d GMT"
HMAC_SHA512_SIZE = 64


@dataclass(frozen=True)
class Rule:
    """A field ("body" or a header field's name), and a change that gives None when it finds nothing."""

    field: str
    change: Callable[[str], str | None]
    why: str


def _pattern(field: str, pattern: str, replacement: str, why: str) -> Rule:
    def change(text: str) -> str | None:
        changed, found = re.subn(pattern, replacement, text)
        return changed if found else None

    return Rule(field, change, why)


def _sorted_list(text: str) -> str | None:
    return ", ".join(sorted(text.split(", ")))


def _pyramid_session(text: str) -> str | None:
    match = re.search(r"\bsession=([\w-]+)", text)
    if not match:
        return None
    signed = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
    state = json.loads(signed[HMAC_SHA512_SIZE:])[2]
    if "_csrft_" in state:
        state["_csrft_"] = "<token>"
    return text.replace(match[1], json.dumps(state, sort_keys=True))


RULES = {
    "allow-order": Rule("allow", _sorted_list, "the framework keeps the methods in a set; its order is by chance"),
    "cookie-expires": _pattern(
        "set-cookie", rf"(?i)expires={HTTP_DATE}", "expires=<date>", "counted from now; Max-Age beside it is compared"
    ),
    "django-csrf-cookie": _pattern("set-cookie", r"csrftoken=\w{32};", "csrftoken=<token>;", "a random secret"),
    "django-csrf-field": _pattern(
        "body",
        r'name="csrfmiddlewaretoken" value="\w{64}"',
        'name="csrfmiddlewaretoken" value="<token>"',
        "the random secret under a random mask",
    ),
    "django-messages-cookie": _pattern(
        "set-cookie",
        r"messages=([\w-]+):\w+:[\w-]+;",
        r"messages=\1:<time>:<signature>;",
        "signed with the time; the payload is compared",
    ),
    "django-session-cookie": _pattern("set-cookie", r"sessionid=\w{32};", "sessionid=<id>;", "a random key"),
    "expires-now": _pattern(
        "expires", rf"^{HTTP_DATE}$", "<date>", "the time of the answer; Cache-Control is compared"
    ),
    "field-list": _pattern(
        "body",
        r"(HTTP_(?:ACCEPT|X_TWICE)='[^',]*), ?",
        r"\1,",
        "repeated fields are one list, joined by a comma and optional space (RFC 9110 5.3)",
    ),
    "flask-session-cookie": _pattern(
        "set-cookie",
        r"session=(\.?[\w-]+)\.[\w-]+\.[\w-]+;",
        r"session=\1.<time>.<signature>;",
        "signed with the time; the payload is compared",
    ),
    "pyramid-csrf-field": _pattern(
        "body", r'name="csrf_token" value="\w{40}"', 'name="csrf_token" value="<token>"', "a random token"
    ),
    "pyramid-session-cookie": Rule(
        "set-cookie", _pyramid_session, "signed with the time; the state in it is decoded and compared"
    ),
    "invented-content-type": _pattern(
        "body",
        r"CONTENT_TYPE='(text/plain)?'\n",
        "CONTENT_TYPE=<none sent>\n",
        "wsgiref says text/plain where the client sent no Content-Type",
    ),
}
