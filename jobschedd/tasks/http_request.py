"""Sends the request that stands on standard input as JSON, and says what came back.

Prints the status, the size and the time, then the beginning of the body. Exit code 0: the status was expected; 1: it
was not, or there was none, and a sentence says why. No sentence holds more of the URL than scheme, host and port: what
else is in it may be a secret, as headers and body may.
"""

from __future__ import annotations

import base64
import encodings.idna  # noqa: F401 - used by socket; nobody may be unable to read where Python is installed
import http.client
import ipaddress
import json
import os
import pwd
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import quote, unquote, urljoin, urlsplit

from jobschedd import __version__

SHOWN = 4096
"""Bytes of the body that are printed."""

READ = 1 << 20
"""Bytes of the body that are read."""

MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_FOR_ANYBODY = frozenset({"accept", "accept-language", "user-agent"})
"""Headers that another host may see, too."""


class CannotRequest(Exception):  # noqa: N818 - a verdict in words
    """No answer, or not the one that was expected. The text is the end of a sentence that begins with "cannot"."""


class Target:
    """Where a request goes."""

    def __init__(self, url: str, base: str = "") -> None:
        try:
            url = urljoin(base, url)
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise CannotRequest("it leads to an address that cannot be read") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CannotRequest("it leads to something that is neither http nor https")
        if not all("!" <= character <= "~" for character in parts.hostname):
            raise CannotRequest("it leads to an address that cannot be read")
        self.url = url
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or (443 if self.secure else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.path = quote(path, safe="%/:=&?~#+!$,;'@()*[]")  # a Location may hold anything
        self.user_info = ""
        """As the header has it."""
        if parts.username is not None:
            plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.user_info = base64.b64encode(plain.encode()).decode()

    @property
    def origin(self) -> tuple[bool, str, int]:
        return self.secure, self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = 443 if self.secure else 80
        return f"{'https' if self.secure else 'http'}://{host}" + (f":{self.port}" if self.port != standard else "")


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.reason = response.reason
        self.location = response.headers.get("Location")
        self.body = response.read(READ)
        # Of a body whose length was told, http.client does not say that it was cut off.
        if response.length and len(self.body) < READ:
            raise http.client.IncompleteRead(b"")
        self.more = len(self.body) == READ and response.read(1) != b""


class Exchange:
    """One request with the redirects that it leads through."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self.stage = "nothing was sent"
        """What has not happened yet, for whoever has waited too long."""

    def make(self) -> Answer:
        """Raises CannotRequest."""
        first = target = Target(self._request["url"])
        public = False
        for _ in range(MOST_REDIRECTS + 1):
            answer, address = self._ask(target, first, public=public)
            if self.expects(answer.status) or answer.status not in _REDIRECTS or not answer.location:
                return answer
            if self._request["method"] not in ("GET", "HEAD"):
                return answer  # whatever it changes is not to be changed twice
            came_from, target = target, Target(answer.location, target.url)
            if came_from.secure and not target.secure:
                raise CannotRequest(f"it leads from https to {target}, where everybody could read along")
            public = public or address.is_global
        raise CannotRequest(f"it leads through more than {MOST_REDIRECTS} redirects")

    def expects(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self._request["expect"])

    def _ask(
        self, target: Target, first: Target, *, public: bool
    ) -> tuple[Answer, ipaddress.IPv4Address | ipaddress.IPv6Address]:
        timeout = self._request["timeout"]
        kind = http.client.HTTPSConnection if target.secure else http.client.HTTPConnection
        connection = kind(target.host, target.port, timeout=timeout)
        try:
            self.stage = f"no connection to {target}"
            connection.connect()
            address = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
            # Somebody outside could else have us ask what only we can reach.
            if public and not address.is_global:
                raise CannotRequest(f"a public host leads to {target}, which is not public")
            self.stage = f"no whole answer of {target}"
            body = self._request["body"] if target.origin == first.origin else None
            connection.request(
                self._request["method"],
                target.path,
                body=None if body is None else body.encode(),
                headers=self._headers(target, first),
            )
            return Answer(connection.getresponse()), address
        except UnicodeError:  # of IDNA: an empty label, or one of more than 63 letters
            raise CannotRequest(f"{target.host} is not the name of a host") from None
        except (OSError, http.client.HTTPException) as error:
            raise CannotRequest(in_words(error, target)) from None
        finally:
            connection.close()

    def _headers(self, target: Target, first: Target) -> dict[str, str]:
        ours = {"user-agent": f"jobschedd/{__version__}", "accept": "*/*"}
        home = target.origin == first.origin
        if home and first.user_info:
            ours["authorization"] = f"Basic {first.user_info}"
        given = {name: text for name, text in self._request["headers"] if home or name.lower() in _FOR_ANYBODY}
        named = {name.lower() for name in given}
        return given | {name: text for name, text in ours.items() if name not in named}


def in_words(error: OSError | http.client.HTTPException, target: Target) -> str:
    match error:
        case socket.gaierror():
            return f"the host {target.host} was not found ({error.strerror})"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {target} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"{target} does not speak TLS as we do ({error.reason or 'no reason given'})"
        case TimeoutError():
            return f"{target} did not answer in time"
        case ConnectionRefusedError():
            return f"{target} refused the connection: nothing listens there"
        case http.client.RemoteDisconnected() | ConnectionError() | http.client.IncompleteRead():
            return f"{target} ended the connection before its answer was whole"
        case http.client.HTTPException():
            return f"{target} does not answer in HTTP ({type(error).__name__})"
    return f"{target} cannot be reached: {os.strerror(error.errno) if error.errno else type(error).__name__}"


def show(text: str) -> str:
    """Text of somebody else's as lines of ours: each marked, so that it begins no level and no line that is not its."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return "\n".join("| " + "".join(map(_printable, line)) for line in lines)


def _printable(character: str) -> str:
    plain = character.isprintable() or character == "\t"
    return character if plain else repr(character)[1:-1]


def give_up_root() -> None:
    """Become nobody where we are root. Done here and not at exec: what was root once is closed to nobody's other processes."""
    if os.geteuid() != 0:
        return
    try:
        person = pwd.getpwnam("nobody")
        uid, gid = person.pw_uid, person.pw_gid
    except KeyError:
        uid = gid = 65534  # the kernel's own nobody
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def fail(sentence: str) -> NoReturn:
    print(sentence, flush=True)
    # The thread that waits for an answer is left where it is.
    os._exit(1)


def main() -> None:
    request = json.load(sys.stdin)
    if request["give_up_root"]:
        try:
            give_up_root()
        except OSError as error:
            fail(f'cannot become nobody: {error.strerror}; write the user to send it as: "user": "…"')
    exchange = Exchange(request)
    found: list[Answer | CannotRequest] = []

    def ask() -> None:
        try:
            found.append(exchange.make())
        except CannotRequest as error:
            found.append(error)

    began = time.monotonic()
    # Looking for a host takes no time-out, so somebody else has to wait for all of it.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(request["timeout"])
    what = f"{request['method']} {Target(request['url'])}"
    if asking.is_alive():
        fail(f"cannot {what}: {exchange.stage} within {request['timeout']:g} s")
    if not found:
        os._exit(1)  # a mistake of ours, whose trace is printed
    (result,) = found
    if isinstance(result, CannotRequest):
        fail(f"cannot {what}: {result}")
    size = f"more than {READ}" if result.more else str(len(result.body))
    elapsed = round((time.monotonic() - began) * 1000)
    print(f"{result.status} {show(result.reason)[2:]}".rstrip() + f", {size} bytes, {elapsed} ms")
    if result.body:
        print(show(result.body[:SHOWN].decode("utf-8", "backslashreplace")))
    if not exchange.expects(result.status):
        expected = ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in request["expect"])
        fail(f"cannot take {result.status} for success; expected was {expected}")


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody hears us; the exit code counts
        main()
