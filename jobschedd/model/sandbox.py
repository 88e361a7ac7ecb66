"""What the `sandbox` of a job file may say: systemd's settings by their own names, checked without systemd.

Each setting has the form that systemd.exec(5) and systemd.resource-control(5) give it. A text is one line of a unit
file; a list is that line several times. What another key of the job file says is refused here, with that key's name.
"""

from __future__ import annotations

import errno
import re
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails

from jobschedd.model.kernel import ADDRESSES, CAPABILITIES, NAMESPACES
from jobschedd.model.launch import Setting
from jobschedd.model.rule import in_words
from jobschedd.model.span import parse_duration, parse_size, show_value

if TYPE_CHECKING:
    from collections.abc import Callable

_YES, _NO = {"yes", "true", "on", "1", "y", "t"}, {"no", "false", "off", "0", "n", "f"}
_TEXT_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """A form that several settings share."""

    form: str
    """How to write one, after "write"."""
    read: Callable[[Any], Setting | None]
    """The value in its plain form; None: that cannot be one. May raise ValueError with a whole sentence."""
    schema: dict[str, Any]


def _yes_no(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    return True if word in _YES else False if word in _NO else None


def _lines(value: Any) -> tuple[str, ...] | None:
    """As the file has them; a text that holds nothing, or what no line can hold, is none."""
    lines = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not lines or not all(isinstance(line, str) and line.strip() and line.isprintable() for line in lines):
        return None
    return lines


def words(lines: tuple[str, ...]) -> list[str]:
    """What stands in them, parted by spaces; quotes hold together. Raises ValueError where one is left open."""
    return [word for line in lines for word in shlex.split(line)]


def _each(fits: Callable[[str], Any]) -> Callable[[Any], Setting | None]:
    """Lines of words, each of which is one that `fits`."""

    def read(value: Any) -> tuple[str, ...] | None:
        lines = _lines(value)
        try:
            return lines if lines and all(fits(word) for word in words(lines)) else None
        except ValueError:
            return None

    return read


def _one(fits: Callable[[str], Any]) -> Callable[[Any], Setting | None]:
    return lambda value: value if isinstance(value, str) and value.isprintable() and fits(value) else None


def choice(*known: str, truth: bool = False) -> Kind:
    """One of a few words; `truth`: or yes or no."""

    def read(value: Any) -> str | None:
        said = _yes_no(value) if truth else None
        if said is not None:
            return "yes" if said else "no"
        return value if isinstance(value, str) and value in known else None

    form = ("true, false, " if truth else "") + " or ".join(f'"{word}"' for word in known)
    options: list[dict[str, Any]] = [{"enum": list(known)}, *([{"type": "boolean"}] if truth else [])]
    return Kind(form, read, {"anyOf": [*options, {"enum": ["yes", "no"]}] if truth else options})


def number(low: int, high: int) -> Kind:
    def read(value: Any) -> int | None:
        plain = isinstance(value, int) and not isinstance(value, bool)
        return value if plain and low <= value <= high else None

    form = f"a whole number from {low} to {high}"
    return Kind(form, read, {"type": "integer", "minimum": low, "maximum": high})


def _size(value: Any) -> str | int | None:
    return "infinity" if value == "infinity" else parse_size(value)


def _path(word: str) -> bool:
    return word.startswith("/") and len(word.encode()) <= 4095


def _bind(word: str) -> bool:
    source, *rest = word.removeprefix("-").split(":")
    return _path(source) and (not rest or (_path(rest[0]) and rest[1:] in ([], ["rbind"], ["norbind"])))


def _below(word: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9._@-]+(/[A-Za-z0-9._@-]+)*", word)) and ".." not in word.split("/")


def _device(line: Any) -> bool:
    node, _, access = line.partition(" ")
    return bool(re.fullmatch(r"/dev/\S+|(char|block)-\S+", node)) and bool(re.fullmatch(r"r?w?m?", access.strip()))


def _address(word: str) -> bool:
    return word in ADDRESSES or bool(ip_network(word, strict=False))


def _capability(word: str) -> bool:
    return word.removeprefix("~").removeprefix("CAP_") in CAPABILITIES


def _namespaces(value: Any) -> Setting | None:
    said = _yes_no(value)
    return said if said is not None else _each(lambda word: word.removeprefix("~") in NAMESPACES)(value)


YES_NO = Kind("true or false", _yes_no, {"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no"]}]})
TEXT = Kind('a text: "…"', _one(bool), {"type": "string"})
WORDS = Kind("words, as a text or a list", _each(bool), _TEXT_SCHEMA)
PATH = Kind('an absolute path: "/srv/data"', _one(_path), {"type": "string", "pattern": "^/"})
PATHS = Kind('absolute paths: ["/srv/data", "-/srv/more"]', _each(lambda word: _path(word.lstrip("+-"))), _TEXT_SCHEMA)
BELOW = Kind('names without "/" at either end: "daily-report"', _each(_below), _TEXT_SCHEMA)
MODE = Kind('octal digits as a text: "0750"', _one(re.compile("[0-7]{3,4}").fullmatch), {"type": "string"})
SIZE = Kind('a size, "512M", or "infinity"', _size, {"anyOf": [{"type": "string"}, {"type": "integer"}]})
TIME = Kind('a duration: "50us"', parse_duration, {"anyOf": [{"type": "string"}, {"type": "number"}]})
ERROR = Kind('the name of an error: "EPERM"', _one(lambda name: hasattr(errno, name)), {"type": "string"})
FILTER = Kind('names, with "~" before the first for all but these: "@system-service"', _each(bool), _TEXT_SCHEMA)
CAPABLE = Kind('capabilities: "CAP_CHOWN CAP_NET_RAW", or all but these: "~CAP_KILL"', _each(_capability), _TEXT_SCHEMA)
SPACES = Kind('true, false, or kinds of them: "mnt net", "~user"', _namespaces, {"anyOf": [{"type": "boolean"}, *_TEXT_SCHEMA["anyOf"]]})  # fmt: skip
BINDS = Kind('["/from:/to", "-/perhaps:/to:norbind"]', _each(_bind), _TEXT_SCHEMA)
MOUNTS = Kind('["/tmp:size=10M", "/var"]', _each(lambda word: _path(word.partition(":")[0])), _TEXT_SCHEMA)
DEVICES = Kind('["/dev/null rw", "char-pts"]', lambda value: (lines := _lines(value)) and (lines if all(map(_device, lines)) else None), _TEXT_SCHEMA)  # fmt: skip
LOADED = Kind('["password:/etc/credstore/report"]', _each(re.compile(r"[^:/]+(:.+)?").fullmatch), _TEXT_SCHEMA)
NETWORKS = Kind('addresses: "any", "localhost", "10.0.0.0/8"', _each(_address), _TEXT_SCHEMA)
LABEL = Kind('a text, with "-" before it where it may be unknown', _one(bool), {"type": "string"})
SHARING = choice("shared", "slave", "private")

_BY_KIND: dict[Kind, str] = {
    YES_NO: "DynamicUser RemoveIPC IgnoreSIGPIPE PrivateTmp PrivateDevices PrivateNetwork PrivateUsers PrivateMounts PrivateIPC"
    " NoNewPrivileges LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID ProtectHostname"
    " ProtectClock ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups MountAPIVFS"
    " RootEphemeral BindLogSockets CPUSchedulingResetOnFork MemoryKSM Delegate IPAccounting IOAccounting",
    choice("strict", "full", truth=True): "ProtectSystem",
    choice("read-only", "tmpfs", truth=True): "ProtectHome",
    choice("noaccess", "invisible", "ptraceable", "default"): "ProtectProc",
    choice("all", "pid"): "ProcSubset",
    choice("inherit", "private", "shared"): "KeyringMode",
    choice("auto", "closed", "strict"): "DevicePolicy",
    choice("restart", truth=True): "RuntimeDirectoryPreserve",
    SHARING: "MountFlags",
    TEXT: "Personality Slice NetworkNamespacePath IPCNamespacePath",
    WORDS: "PassEnvironment UnsetEnvironment SystemCallArchitectures ImportCredential DisableControllers",
    PATH: "RootDirectory RootImage",
    PATHS: "ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths ExecSearchPath",
    BELOW: "RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory",
    MODE: "RuntimeDirectoryMode StateDirectoryMode CacheDirectoryMode LogsDirectoryMode ConfigurationDirectoryMode",
    SIZE: "MemoryMin MemoryLow MemorySwapMax MemoryZSwapMax LimitAS LimitDATA LimitFSIZE LimitMEMLOCK LimitMSGQUEUE"
    " LimitRSS LimitSTACK",
    number(0, 2**31): "LimitLOCKS LimitNPROC LimitSIGPENDING",
    number(1, 10_000): "CPUWeight StartupCPUWeight StartupIOWeight",
    number(0, 7): "IOSchedulingPriority",
    TIME: "TimerSlackNSec",
    ERROR: "SystemCallErrorNumber",
    FILTER: "SystemCallFilter SystemCallLog RestrictAddressFamilies RestrictFileSystems RestrictNetworkInterfaces",
    CAPABLE: "CapabilityBoundingSet AmbientCapabilities",
    SPACES: "RestrictNamespaces",
    BINDS: "BindPaths BindReadOnlyPaths",
    MOUNTS: "TemporaryFileSystem",
    DEVICES: "DeviceAllow",
    LOADED: "LoadCredential LoadCredentialEncrypted",
    NETWORKS: "IPAddressAllow IPAddressDeny",
    LABEL: "AppArmorProfile SELinuxContext",
}

SETTINGS: dict[str, Kind] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""What may be said, by name."""

_ELSEWHERE: dict[str, str] = {
    "task.command": "ExecStart ExecStartPre ExecStartPost ExecCondition ExecStop ExecStopPost ExecReload",
    "task.user": "User",
    "task.group": "Group",
    "task.cwd": "WorkingDirectory",
    "task.env": "Environment SetCredential SetCredentialEncrypted",
    "task.env_file": "EnvironmentFile",
    "task.umask": "UMask",
    "task.stdin": "StandardInput StandardInputText StandardInputData",
    "timeout": "RuntimeMaxSec TimeoutStartSec TimeoutSec",
    "kill_after": "TimeoutStopSec TimeoutAbortSec",
    "success_codes": "SuccessExitStatus",
    "retry": "Restart RestartSec",
    "leave_children": "KillMode SendSIGKILL",
    "after": "OnFailure OnSuccess",
    "limits.memory": "MemoryMax MemoryLimit",
    "limits.memory_high": "MemoryHigh",
    "limits.cpu": "CPUQuota",
    "limits.tasks": "TasksMax",
    "limits.io_weight": "IOWeight",
    "limits.nice": "Nice",
    "limits.ionice": "IOSchedulingClass",
    "limits.nofile": "LimitNOFILE",
    "limits.core": "LimitCORE",
    "limits.oom_score_adj": "OOMScoreAdjust",
}
_OWN_KEY = {name: key for key, names in _ELSEWHERE.items() for name in names.split()}

_OURS = {
    "Type", "RemainAfterExit", "CollectMode", "Description", "StandardOutput", "StandardError", "SyslogIdentifier",
    "SyslogLevelPrefix", "LogExtraFields", "LogRateLimitIntervalSec", "SupplementaryGroups", "PAMName", "KillSignal",
    "OOMPolicy", "MemoryAccounting", "CPUAccounting", "TasksAccounting",
}  # fmt: skip


def _read(name: str, value: Any) -> Setting:
    if name in _OWN_KEY:
        raise ValueError(f'cannot be set here; write it as "{_OWN_KEY[name]}"')
    if name in _OURS:
        raise ValueError("cannot be set here: jobschedd sets it for every run; leave it out")
    kind = SETTINGS.get(name)
    if kind is None:
        near = get_close_matches(name, SETTINGS, n=1, cutoff=0.75)
        raise ValueError(f'unknown setting; did you mean "{near[0]}"?' if near else f"unknown setting; {_SOME}")
    setting = kind.read(value)
    if setting is None:
        raise ValueError(f"cannot use {show_value(value)} here; write {kind.form}")
    return setting


_SOME = 'docs/sandbox.md lists what may be set; write {"ProtectSystem": "strict", "PrivateTmp": true}'


def _sandbox(value: Any) -> tuple[tuple[str, Setting], ...]:
    if not isinstance(value, dict):
        raise in_words(ValueError(f"cannot read {show_value(value)} as a sandbox; {_SOME}"))
    settings, problems = [], []
    for name, said in value.items():
        try:
            settings.append((name, _read(name, said)))
        except ValueError as error:
            problems.append(InitErrorDetails(type=in_words(error), loc=(name,), input=said))
    if problems:
        raise ValidationError.from_exception_data("sandbox", problems)
    return tuple(settings)


Sandbox = Annotated[
    tuple[tuple[str, Setting], ...],
    PlainValidator(_sandbox),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                name: kind.schema | {"description": f"systemd's {name}=: {kind.form}."}
                for name, kind in sorted(SETTINGS.items())
            },
            "additionalProperties": False,
        },
    ),
]
"""The `sandbox` of a job file, as Launch has it."""
