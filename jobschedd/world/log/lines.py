"""Events and output as lines on stderr: readable ones, or one JSON object each."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from jobschedd.model.event import ERROR, INFO, NOTICE, WARNING, RunFinished, show_instant
from jobschedd.model.run import SECOND
from jobschedd.world.log.output import Output

if TYPE_CHECKING:
    from jobschedd.model.event import Event
    from jobschedd.model.run import Instant

LONGEST = 48 * 1024
"""Characters of output that are kept waiting for the end of their line, as journald's own LineMax."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_WORDS = {ERROR: "ERROR", WARNING: "WARN ", NOTICE: "NOTE ", INFO: "INFO "}
_COLOURS = {ERROR: "31", WARNING: "33", NOTICE: "36"}


def harmless(text: str) -> str:
    """Text whose control and reordering characters are spelled out, so that a terminal shows and does not obey."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class _Lines(ABC):
    """A Sink that writes lines to a stream. Puts the pieces of a job's output together first."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun: dict[str, str] = {}
        """By run id: a line that has not ended yet."""

    def write_event(self, event: Event, at: Instant) -> None:
        if isinstance(event, RunFinished) and (rest := self._begun.pop(event.run.run_id, "")):
            self._write(self.show_output(Output(event.run.job_id, event.run.run_id, rest), [rest], at))
        self._write(self.show_event(event, at))

    def write_output(self, output: Output, at: Instant) -> None:
        *lines, begun = (self._begun.pop(output.run_id, "") + output.text).split("\n")
        if len(begun) > LONGEST:
            lines.append(begun)
        elif begun:
            self._begun[output.run_id] = begun
        if lines:
            self._write(self.show_output(output, lines, at))

    def close(self) -> None:  # noqa: B027 - nothing to do for either: the stream is not ours
        """Leave the stream open."""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    @abstractmethod
    def show_event(self, event: Event, at: Instant) -> str: ...

    @abstractmethod
    def show_output(self, output: Output, lines: list[str], at: Instant) -> str: ...


class TextLines(_Lines):
    """For people. Colour on terminals only."""

    def show_event(self, event: Event, at: Instant) -> str:
        first, *rest = harmless(event.line()).split("\n")
        return self._show(at, _WORDS.get(event.priority, "DEBUG"), _COLOURS.get(event.priority), [first]) + "".join(
            f"    {line}\n" for line in rest
        )

    def show_output(self, output: Output, lines: list[str], at: Instant) -> str:
        return self._show(at, "OUT  ", "2", [f"{output.job_id} | {harmless(line)}" for line in lines])

    def _show(self, at: Instant, word: str, colour: str | None, lines: list[str]) -> str:
        local = datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND).astimezone()
        stamp = local.isoformat(sep=" ", timespec="milliseconds")[:-6]
        if self._stream.isatty():
            stamp = f"\033[2m{stamp}\033[0m"
            word = f"\033[{colour}m{word}\033[0m" if colour else word
        return "".join(f"{stamp} {word} {line}\n" for line in lines)


class JsonLines(_Lines):
    """For programs: the journal's fields with `time`, `event` and `message`, one object a line."""

    def show_event(self, event: Event, at: Instant) -> str:
        entry = {
            "time": show_instant(at),
            "priority": event.priority,
            "event": event.NAME,
            "message": event.line(),
            "MESSAGE_ID": event.MESSAGE_ID,
        }
        return json.dumps(entry | event.fields()) + "\n"

    def show_output(self, output: Output, lines: list[str], at: Instant) -> str:
        common = {"time": show_instant(at), "priority": INFO, "event": "output"}
        of_run = {"JOBSCHEDD_JOB": output.job_id, "JOBSCHEDD_RUN": output.run_id}
        return "".join(json.dumps(common | {"message": line} | of_run) + "\n" for line in lines)
