"""The methods of io.jobschedd in one table: what each is, who may call it, what it does."""

from __future__ import annotations

import json
import typing
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum, auto
from importlib.resources import files
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from jobschedd import __version__
from jobschedd.control.callers import Caller, Callers
from jobschedd.control.entries import Entries
from jobschedd.control.house import Self
from jobschedd.control.jobs import Jobs
from jobschedd.control.past import Past
from jobschedd.control.runs import Runs
from jobschedd.model import event
from jobschedd.world.varlink import MOST_BYTES, Call, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jobschedd.control.asking import House

INTERFACE = "io.jobschedd"

MOST_AT_ONCE = 16
"""Replies that are made one for a caller who does not take several."""


class May(Enum):
    ALL = auto()
    """Whoever may connect; each sees what is theirs."""
    THOSE_WHO_MAY_ALL = auto()


@dataclass(frozen=True, slots=True)
class Method:
    function: Callable[..., Any]
    """Gets the caller, and the parameters by name; makes the reply, or replies of which the last is returned."""
    may: May
    streams: Callable[[Mapping[str, Any]], bool] = lambda _: False
    """Whether, with these parameters, it goes on as long as the caller takes replies."""
    once: bool = True
    """It has something to say to a caller who takes one reply."""
    slow: bool = False


class Service:
    """Implements what world/varlink asks of one."""

    def __init__(self, house: House) -> None:
        jobs = Jobs(house)
        entries = Entries(house, jobs)
        runs, past, itself = Runs(house, entries), Past(house, jobs), Self(house)
        always, follow = (lambda _: True), (lambda parameters: parameters.get("follow") is True)
        self._listen = house.listen
        self._callers = Callers()
        self.methods = {
            f"{INTERFACE}.Status": Method(itself.status, May.ALL),
            f"{INTERFACE}.List": Method(jobs.overview, May.ALL),
            f"{INTERFACE}.Show": Method(jobs.show, May.ALL),
            f"{INTERFACE}.Next": Method(jobs.next, May.ALL),
            f"{INTERFACE}.Run": Method(runs.run, May.THOSE_WHO_MAY_ALL, always),
            f"{INTERFACE}.Stop": Method(runs.stop, May.THOSE_WHO_MAY_ALL),
            f"{INTERFACE}.Pause": Method(runs.pause, May.THOSE_WHO_MAY_ALL),
            f"{INTERFACE}.Resume": Method(runs.resume, May.THOSE_WHO_MAY_ALL),
            f"{INTERFACE}.Reload": Method(itself.reload, May.THOSE_WHO_MAY_ALL, slow=True),
            f"{INTERFACE}.History": Method(past.history, May.ALL),
            f"{INTERFACE}.Why": Method(past.why, May.ALL),
            f"{INTERFACE}.Logs": Method(entries.logs, May.ALL, follow, once=False),
            f"{INTERFACE}.Watch": Method(entries.watch, May.ALL, always, once=False),
            "org.varlink.service.GetInfo": Method(_info, May.ALL),
            "org.varlink.service.GetInterfaceDescription": Method(_describe, May.ALL),
        }

    def goes_on(self, call: Call) -> bool:
        method = self.methods.get(call.method)
        return method is not None and (method.slow or (call.more and method.streams(call.parameters)))

    def answer(self, call: Call) -> None:
        """Raises Refused or Gone."""
        method = self._find(call.method)
        parameters = _checked(method.function, call.parameters)
        caller = self._callers.know(call)
        if method.may is May.THOSE_WHO_MAY_ALL and not caller.may_all:
            self._listen(event.ControlRefused(call.method, caller.uid, caller.peer.pid))
            raise Refused("org.varlink.service.PermissionDenied")
        if not call.more and not method.once and method.streams(parameters):
            raise Refused("org.varlink.service.ExpectedMore")
        replies = method.function(caller, **parameters)
        if not isinstance(replies, Generator):
            call.reply(replies)
        elif call.more:
            call.reply(_tell(replies, call))
        else:
            call.reply(_as_one(replies))

    def _find(self, name: str) -> Method:
        interface, _, _ = name.rpartition(".")
        if interface not in (INTERFACE, "org.varlink.service"):
            raise Refused("org.varlink.service.InterfaceNotFound", interface=interface[:200])
        if name not in self.methods:
            raise Refused("org.varlink.service.MethodNotFound", method=name[:200])
        return self.methods[name]


def _checked(function: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that were given, each of the kind that the method says. Raises Refused with the name of another."""
    known = {
        name: parameter
        for name, parameter in signature(function).parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    }
    kinds = typing.get_type_hints(function, localns=_HINTS)
    given = {name: value for name, value in parameters.items() if value is not None}
    for name, value in given.items():
        allowed = set(typing.get_args(kinds[name]) or [kinds[name]]) if name in known else set()
        if type(value) not in allowed or (isinstance(value, str) and not _is_text(value)):
            raise Refused("org.varlink.service.InvalidParameter", parameter=name[:200])
    for name, parameter in known.items():
        if parameter.default is Parameter.empty and name not in given:
            raise Refused("org.varlink.service.InvalidParameter", parameter=name)
    return given


def _is_text(value: str) -> bool:
    """JSON can spell halves of characters, which nothing behind this can write down."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_HINTS: dict[str, Any] = {"Caller": Caller, "Generator": Generator}


def _tell(replies: Generator[dict[str, Any], None, dict[str, Any]], call: Call) -> dict[str, Any]:
    """Give all replies but the last, which is returned. Raises Gone."""
    while True:
        try:
            for piece in _pieces(next(replies)):
                call.reply(piece, continues=True)
        except StopIteration as end:
            last: dict[str, Any] = end.value
            return last


def _pieces(reply: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """As many replies as it takes for none to be longer than a message should be."""
    long = {key: value for key, value in reply.items() if isinstance(value, list) and len(value) > 1}
    if not long or len(json.dumps(reply)) < MOST_BYTES:
        yield reply
        return
    for half in (0, 1):
        cut = {key: value[half * (len(value) // 2) : None if half else len(value) // 2] for key, value in long.items()}
        yield from _pieces(reply | cut)


def _as_one(replies: Generator[dict[str, Any], None, dict[str, Any]]) -> dict[str, Any]:
    """All replies as one. Raises Refused where they are too many for that."""
    made: list[dict[str, Any]] = []
    while True:
        try:
            made.append(next(replies))
        except StopIteration as end:
            made.append(end.value)
            break
        if len(made) > MOST_AT_ONCE:
            raise Refused("org.varlink.service.ExpectedMore")
    one: dict[str, Any] = {}
    for reply in made:
        for key, value in reply.items():
            one[key] = [*one[key], *value] if isinstance(value, list) and key in one else value
    return one


def _info(_caller: Caller) -> dict[str, Any]:
    return {
        "vendor": "jobschedd",
        "product": "jobschedd",
        "version": __version__,
        "url": "https://varlink.org",
        "interfaces": ["org.varlink.service", INTERFACE],
    }


def _describe(_caller: Caller, *, interface: str) -> dict[str, Any]:
    if interface not in (INTERFACE, "org.varlink.service"):
        raise Refused("org.varlink.service.InterfaceNotFound", interface=interface[:200])
    return {"description": (files(__package__) / f"{interface}.varlink").read_text("utf-8")}
