"""`jobctl preview`: the instants of a schedule, without a daemon."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobschedd.ctl.amounts import count
from jobschedd.ctl.record import Asker
from jobschedd.model.event import show_instant
from jobschedd.model.lint import lint_schedule
from jobschedd.model.run import SECOND
from jobschedd.model.schedule import UTC_ZONE, end_of, names_boot, parse_schedule
from jobschedd.model.schedule.timestamp import LAST_YEAR
from jobschedd.model.timing import open_zone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from jobschedd.model.run import Instant

LAST = end_of(date(LAST_YEAR, 12, 31), UTC_ZONE)
"""What comes later cannot be written in a job file either."""

HELP = "the instants of a schedule, no daemon needed; warnings go to standard error"
EXAMPLE = 'jobctl preview "30 2 * * *" --timezone Europe/Berlin --from 2026-10-24 -n 3'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "schedule",
        metavar="SCHEDULE",
        help='as a job file has it: "0 1 * * *", "@every 90s"; lists and objects as JSON',
    )
    parser.add_argument("--timezone", metavar="ZONE", help="IANA name; default: the system's")
    parser.add_argument("--from", dest="begin", metavar="TIME", help="where to begin; default: now")
    parser.add_argument("--job", metavar="ID", help="job id, which H is made from")
    parser.add_argument("-n", dest="count", metavar="N", type=count, default=10, help="how many instants (10)")


def run(options: argparse.Namespace) -> int:
    asker = Asker(options)
    try:
        zone = open_zone(options.timezone, asker.zones) if options.timezone else asker.zone
        # A little before the moment itself: an instant that falls on it is shown.
        after = asker.now if options.begin is None else asker.moment(options.begin, zone) - 1
        schedule = parse_schedule(_value(options.schedule), zone, options.job)
    except ValueError as error:
        print(f"jobctl preview: {error}", file=sys.stderr)
        return 1
    for warning in lint_schedule(schedule, after):
        print(f"warning: {warning}", file=sys.stderr)
    found = 0
    instant = schedule.next(after)
    while instant is not None and instant < LAST and found < options.count:
        found += 1
        print(_json(instant, zone) if options.json else _local(instant, zone))
        instant = schedule.next(instant)
    if names_boot(schedule, after):
        print("note: @reboot is due when the machine boots, which no clock can tell", file=sys.stderr)
    elif found < options.count:
        print("note: no more instants" if found else "note: no instants", file=sys.stderr)
    return 0


def _value(text: str) -> object:
    """Lists and objects are written as JSON; no other form begins so."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'cannot read the schedule as JSON: {error}; write ["0 1 * * *", "@every 6h"]') from None


def _local(instant: Instant, zone: ZoneInfo) -> str:
    moment = datetime.fromtimestamp(instant // SECOND, UTC).replace(microsecond=instant % SECOND)
    return moment.astimezone(zone).isoformat()


def _json(instant: Instant, zone: ZoneInfo) -> str:
    return json.dumps({"instant": show_instant(instant), "local": _local(instant, zone)})
