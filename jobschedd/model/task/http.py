"""`http_request`: one request, and whether its answer is the one that was hoped for.

URL, headers and body may hold secrets: no error repeats one, and they go to the program by standard input, not by its
arguments, which everybody may read.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from jobschedd.model.launch import Launch
from jobschedd.model.rule import CLOSED, SomeTime, UserName, checked
from jobschedd.model.run import SECOND
from jobschedd.model.span import show_value
from jobschedd.model.task.environment import kind_of

_URL_FORM = 'write "https://example.org/ping"'
_HEADERS_FORM = 'write {"Authorization": "Bearer …"}'
_STATUS_FORM = 'write 204, "200-299", or a list of such'

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A field name, RFC 9110 section 5.1."""

_OURS = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that follow from how the request is sent."""


@checked
def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"cannot use {kind_of(value)} as a URL; {_URL_FORM}")
    if not re.fullmatch(r"[\x21-\x7e]*", value):
        raise ValueError(
            f"cannot use a URL with spaces or with letters beyond ASCII; write them as %20 or xn--: {_URL_FORM}"
        )
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        usable = False
    if not usable:
        raise ValueError(f"cannot use this as a URL; {_URL_FORM}")
    return value


@checked
def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ValueError(f"cannot read {kind_of(value)} as headers; {_HEADERS_FORM}")
    for name, text in value.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"cannot use {show_value(name)} as the name of a header; {_HEADERS_FORM}")
        if name.lower() in _OURS:
            raise ValueError(f"cannot set the header {name}, which follows from the request; leave it out")
        if not isinstance(text, str):
            raise ValueError(f'cannot use {kind_of(text)} as the header {name}; write a text: {{"{name}": "…"}}')
        # A line break would begin another header.
        if not re.fullmatch(r"[\x20-\x7e\xa0-\xff\t]*", text):
            raise ValueError(
                f"cannot send the header {name} with line breaks, control characters or letters beyond Latin-1"
            )
    return tuple(value.items())


@checked
def _body(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f'cannot send {kind_of(value)} as a body; write a text: "{{\\"text\\": \\"done\\"}}"')
    return value


@checked
def _statuses(value: Any) -> tuple[tuple[int, int], ...]:
    ranges = tuple(_range(one) for one in (value if isinstance(value, list) else [value]))
    if not ranges:
        raise ValueError(f"cannot expect no status at all; {_STATUS_FORM}")
    return ranges


def _range(value: Any) -> tuple[int, int]:
    low = high = 0
    if isinstance(value, int) and not isinstance(value, bool):
        low = high = value
    elif isinstance(value, str) and (match := re.fullmatch(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", value)):
        low, high = int(match[1]), int(match[2] or match[1])
    if not 100 <= low <= high <= 599:
        raise ValueError(f"cannot expect {show_value(value)} as a status; {_STATUS_FORM}")
    return low, high


_STATUS_SCHEMA = [
    {"type": "integer", "minimum": 100, "maximum": 599},
    {"type": "string", "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"},
]


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class HttpRequest:
    """Send one HTTP request and judge the answer."""

    type: Literal["http_request"] = Field(description="Says which task type the other keys are of.")
    url: Annotated[str, _url, WithJsonSchema({"type": "string", "pattern": "^https?://[!-~]+$"})] = Field(
        description="Where to. A name and password in it are sent as basic authentication.",
        examples=["https://example.org/ping"],
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="GET", description="Redirects of GET and HEAD are followed, at most five."
    )
    headers: Annotated[
        tuple[tuple[str, str], ...],
        _headers,
        WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
    ] = Field(
        default=(),
        json_schema_extra={"default": {}},
        description="Sent along, and never on to another host.",
        examples=[{"Authorization": "Bearer TOKEN", "Content-Type": "application/json"}],
    )
    body: Annotated[str | None, _body, WithJsonSchema({"type": "string"})] = Field(
        default=None, description="Sent in UTF-8, as it is."
    )
    expect_status: Annotated[
        tuple[tuple[int, int], ...],
        _statuses,
        WithJsonSchema(
            {"anyOf": [*_STATUS_SCHEMA, {"type": "array", "items": {"anyOf": _STATUS_SCHEMA}, "minItems": 1}]}
        ),
    ] = Field(
        default=((200, 299),),
        json_schema_extra={"default": "200-299"},
        description="The statuses that mean success: numbers, ranges, or a list of them.",
        examples=[204, [200, 404]],
    )
    timeout: SomeTime = Field(
        default=30 * SECOND,
        json_schema_extra={"default": "30s"},
        description="For all of it: finding the host, redirects, the whole answer.",
    )
    user: UserName | None = Field(
        default=None,
        description="Sent by a process of this user. Default: nobody where jobschedd is root, else its own.",
    )

    def launch(self, timezone: str | None) -> Launch:
        request = {
            "url": self.url,
            "method": self.method,
            "headers": self.headers,
            "body": self.body,
            "expect": self.expect_status,
            "timeout": self.timeout / SECOND,
            "give_up_root": self.user is None,
        }
        return Launch(
            argv=(sys.executable, "-I", "-m", "jobschedd.tasks.http_request"),
            user=self.user,
            cwd="/",
            stdin=json.dumps(request),
            timezone=timezone,
        )
