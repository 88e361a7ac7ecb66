"""`jobctl history`: what the record says."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from jobschedd.ctl import record
from jobschedd.ctl.record import NO_SUCH_JOB, USAGE, Asker, count, plain
from jobschedd.model.run import Outcome
from jobschedd.model.span import show_duration
from jobschedd.world.store.reading import UnreadableRecord

if TYPE_CHECKING:
    from jobschedd.world.store.reading import Happening

HELP = "what the record says: runs, and instants that did not become runs"
EXAMPLE = 'jobctl history "backup-*" --since 7d --outcome failed'

WIDTH = 80
_GOOD = ("succeeded", "running", "waiting")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="?", default="*", metavar="GLOB", help="job id or pattern; default: all jobs")
    parser.add_argument("--since", metavar="TIME", help="instants from here on: a day, a timestamp, or 7d ago")
    parser.add_argument("--until", metavar="TIME", help="instants up to here")
    parser.add_argument("--outcome", choices=[str(outcome) for outcome in Outcome], help="only those")
    parser.add_argument("-n", dest="most", metavar="N", type=count, default=50, help="how many, the newest (50)")
    record.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    asker = Asker(options)
    try:
        bounds = {name: asker.moment(text) for name in ("since", "until") if (text := getattr(options, name))}
        with asker.record() as reader:
            found = reader.history(options.jobs, options.most, outcome=options.outcome, **bounds)
            if not found and not set("*?[") & set(options.jobs) and not any(reader.versions(options.jobs)):
                print(f"jobctl history: the record knows no job {plain(options.jobs)}", file=sys.stderr)
                return NO_SUCH_JOB
    except ValueError as error:
        print(f"jobctl history: {error}", file=sys.stderr)
        return USAGE
    except UnreadableRecord as error:
        print(f"jobctl history: {error}", file=sys.stderr)
        return 1
    if options.json:
        for row in found:
            print(json.dumps(row.told()))
        return 0
    colour = sys.stdout.isatty()
    if found:
        print(f"{'DUE':19}  {'OUTCOME':9}  {'TOOK':>9}  JOB")
    for row in found:
        line = f"{asker.show(row.scheduled_at)}  {row.outcome:9}  {took(row):>9}  {row.job_id}"
        rest = plain(detail(row))
        text = f"{line}  {rest}" if rest else line
        text = text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
        print(f"\x1b[31m{text}\x1b[0m" if colour and row.outcome not in _GOOD else text)
    return 0


def took(row: Happening) -> str:
    if row.started_at is None or row.ended_at is None:
        return "-"
    return show_duration(max(0, row.ended_at - row.started_at))


def detail(row: Happening) -> str:
    """What else there is to say, the most important first."""
    parts = []
    if row.first_at is not None and row.count != 1:
        parts.append(f"{'very many' if row.count is None else row.count} instants")
    if row.signal is not None:
        parts.append(f"signal {row.signal}")
    elif row.exit_code:
        parts.append(f"exit code {row.exit_code}")
    if row.reason:
        parts.append(row.reason)
    if row.attempt > 1:
        parts.append(f"attempt {row.attempt}")
    return ", ".join(parts)
