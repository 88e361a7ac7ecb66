"""The settings of a sandbox in the form that systemd takes on D-Bus, org.freedesktop.systemd1(5). Pure."""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import ip_network
from socket import AF_INET, AF_INET6
from typing import Any

from jobschedd.model import sandbox
from jobschedd.model.kernel import ADDRESSES, CAPABILITIES, NAMESPACES
from jobschedd.model.launch import Setting
from jobschedd.model.sandbox import SETTINGS, Kind, words

Property = tuple[str, tuple[str, Any]]
"""Name, signature, value."""

_ALL = 2**64 - 1
_ALL_NAMESPACES = sum(NAMESPACES.values())
_MS_REC = 1 << 14
_SHARING = {"shared": 1 << 20, "slave": 1 << 19, "private": 1 << 18}
"""MS_SHARED, MS_SLAVE, MS_PRIVATE of mount(2)."""


def _lines(value: Setting) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _mask(value: Setting, bits: Callable[[str], int], everything: int) -> int:
    """Lines add to what those before them have said; one with `~` takes away."""
    mask: int | None = None
    for line in _lines(value):
        said = sum(bits(word) for word in set(words((line.removeprefix("~"),))))
        before = mask if mask is not None else everything if line.startswith("~") else 0
        mask = before & ~said if line.startswith("~") else before | said
    return mask or 0


def _capability(word: str) -> int:
    return 1 << CAPABILITIES.index(word.removeprefix("CAP_"))


def _namespaces(value: Setting) -> int:
    """Which ones the run may make."""
    if isinstance(value, bool):
        return 0 if value else _ALL_NAMESPACES
    return _mask(value, NAMESPACES.__getitem__, _ALL_NAMESPACES)


def _bind(word: str) -> tuple[str, str, bool, int]:
    source, *rest = word.removeprefix("-").split(":")
    return source, rest[0] if rest else source, word.startswith("-"), 0 if rest[1:] == ["norbind"] else _MS_REC


def _parted(word: str, by: str) -> tuple[str, str]:
    first, _, rest = word.partition(by)
    return first, rest.strip()


def _credential(word: str) -> tuple[str, str]:
    name, source = _parted(word, ":")
    return name, source or name


def _networks(value: Setting) -> list[tuple[int, bytes, int]]:
    networks = [
        ip_network(text, strict=False) for word in words(_lines(value)) for text in ADDRESSES.get(word, (word,))
    ]
    return [
        (AF_INET if network.version == 4 else AF_INET6, network.network_address.packed, network.prefixlen)
        for network in networks
    ]


def _filters(value: Setting) -> list[tuple[bool, list[str]]]:
    """Of each line: whether it allows, and what."""
    return [(not line.startswith("~"), words((line.removeprefix("~"),))) for line in _lines(value)]


_FORMS: dict[Kind, tuple[str, Callable[[Any], Any]]] = {
    sandbox.YES_NO: ("b", bool),
    sandbox.WORDS: ("as", lambda value: words(_lines(value))),
    sandbox.PATHS: ("as", lambda value: words(_lines(value))),
    sandbox.BELOW: ("as", lambda value: words(_lines(value))),
    sandbox.MODE: ("u", lambda value: int(value, 8)),
    sandbox.SIZE: ("t", lambda value: _ALL if value == "infinity" else value),
    sandbox.TIME: ("t", lambda usec: usec * 1_000),
    sandbox.ERROR: ("i", lambda value: getattr(errno, value)),
    sandbox.CAPABLE: ("t", lambda value: _mask(value, _capability, _ALL)),
    sandbox.SPACES: ("t", _namespaces),
    sandbox.BINDS: ("a(ssbt)", lambda value: [_bind(word) for word in words(_lines(value))]),
    sandbox.MOUNTS: ("a(ss)", lambda value: [_parted(word, ":") for word in words(_lines(value))]),
    sandbox.DEVICES: ("a(ss)", lambda value: [_parted(line, " ") for line in _lines(value)]),
    sandbox.LOADED: ("a(ss)", lambda value: [_credential(word) for word in words(_lines(value))]),
    sandbox.NETWORKS: ("a(iayu)", _networks),
    sandbox.LABEL: ("(bs)", lambda value: (value.startswith("-"), value.removeprefix("-"))),
    sandbox.SHARING: ("t", _SHARING.__getitem__),
}
"""Those that are not named here are texts."""

_NUMBERS = {"IOSchedulingPriority": "i"}


def properties(name: str, value: Setting) -> list[Property]:
    """A setting that the model has read."""
    kind = SETTINGS[name]
    if kind is sandbox.FILTER:
        return [(name, ("(bas)", line)) for line in _filters(value)]
    if isinstance(value, int) and not isinstance(value, bool) and kind not in _FORMS:
        made: list[Property] = [(name, (_NUMBERS.get(name, "t"), value))]
    else:
        signature, convert = _FORMS.get(kind, ("s", str))
        made = [(name, (signature, convert(value)))]
    if name.startswith("Limit"):
        # A limit without its soft one leaves that as it was.
        made.append((f"{name}Soft", made[0][1]))
    return made
