"""What the commands that read the record have in common: which record, and how a time is written."""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jobschedd.ctl.daemon import NOT_PERMITTED, SOCKET, USAGE, Failed, find
from jobschedd.model.places import places
from jobschedd.model.run import SECOND, show_instant
from jobschedd.model.span import parse_duration, show_value
from jobschedd.world.clock import SystemClock
from jobschedd.world.store.reading import Reader, UnreadableRecord
from jobschedd.world.store.sqlite import record_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from jobschedd.model.run import Instant
    from jobschedd.world.zones import ZoneDatabase

TIME_FORM = 'write "2026-11-23", "2026-11-23T02:00", "2026-11-23T01:00:00Z", how long ago: "2h", or from now: "+2h"'


class Asker:
    """Who asks: the clock and the zone of whoever sits at the terminal."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.now = SystemClock().now()
        self._state_dir: str | None = getattr(options, "state_dir", None)
        self._runtime_dir: str | None = getattr(options, "runtime_dir", None)

    @cached_property
    def zones(self) -> ZoneDatabase:
        # Only who asks about schedules or names a time pays for what reads them.
        from jobschedd.world.zones import ZoneDatabase  # noqa: PLC0415 - takes as long to import as all that `history` needs

        return ZoneDatabase()

    @cached_property
    def zone(self) -> ZoneInfo:
        return self.zones.local()

    def reads_itself(self) -> bool:
        """Whether the record is read here, and not by the daemon: who names it, or may read it, needs no daemon.

        It has to be the record of the daemon that the other commands would ask.
        """
        if self._state_dir is not None or os.environ.get("JOBSCHEDD_STATE_DIR"):
            return True
        if self._runtime_dir is not None or os.environ.get("JOBSCHEDD_RUNTIME_DIR"):
            return False
        asked = find(None)
        own = f"{places(os.environ, os.geteuid(), str(Path.home())).runtime_dir}/{SOCKET}"
        return not os.path.exists(asked) or (asked == own and os.access(self._path(), os.R_OK))

    @contextmanager
    def record(self) -> Iterator[Reader]:
        """Raises Failed."""
        path = self._path()
        try:
            with Reader(path) as reader:
                yield reader
        except UnreadableRecord as error:
            raise Failed(str(error), NOT_PERMITTED if _is_kept_from_us(path) else 1) from None

    def _path(self) -> str:
        standard = places(os.environ, os.geteuid(), str(Path.home()))
        setting = os.environ.get("JOBSCHEDD_STORE")
        if setting is None and self._state_dir is None:
            # Not by the settings' own reader, which costs more time than the answer; the daemon has checked them.
            with suppress(OSError, tomllib.TOMLDecodeError), open(standard.config, "rb") as file:
                setting = tomllib.load(file).get("store")
        return record_path(setting, self._state_dir or standard.state_dir)

    def moment(self, text: str, zone: ZoneInfo | None = None) -> Instant:
        """A time as people write it, by default in the zone of this place. Raises Failed."""
        from jobschedd.model.schedule import begin_of, parse_timestamp, read_day  # noqa: PLC0415 - imports croniter too, and most questions name no time

        with suppress(ValueError):
            if (day := read_day(text)) is not None:
                return begin_of(day, zone or self.zone)
            if re.match(r"[0-9]{4}-|[0-9]{8}T", text):
                return parse_timestamp(text, zone or self.zone)
            if text.startswith("+"):
                return self.now + parse_duration(text[1:])
            return self.now - parse_duration(text)
        raise Failed(f"cannot read {show_value(text)} as a time; {TIME_FORM}", USAGE)

    def show(self, instant: Instant) -> str:
        """On the clock of this place, to the second."""
        return f"{datetime.fromtimestamp(instant // SECOND, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _is_kept_from_us(path: str) -> bool:
    """SQLite says no more than that it cannot open it."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def as_asked(instant: Instant) -> str:
    """A time as the daemon is told it."""
    return show_instant(instant)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state-dir", metavar="DIR", help="where the record is; default: the instance's own")
