"""`jobctl timeline`: past runs and coming instants drawn over time, so that overlaps and crowded minutes are seen."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timedelta
from typing import Any

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import USAGE, Daemon, Failed, is_name
from jobschedd.ctl.drawing import ASCII, LINES, Bar, Frame, draw
from jobschedd.ctl.terminal import columns, moment, now, writes_unicode

HELP = "past runs and coming instants, drawn over time"
EXAMPLE = "jobctl timeline --since 6h"

MOST = 5_000
"""Rows of the record, and coming instants, that are drawn."""

AROUND = timedelta(hours=12)
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=36_525)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "jobs", nargs="?", metavar="GLOB", help="job id or pattern; default: all jobs")
    parser.add_argument("--since", metavar="TIME", help="where it begins; default: 12 hours ago")
    parser.add_argument("--until", metavar="TIME", help="where it ends; default: 12 hours from now")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    at = now()
    frame = _frame(options, at)
    past, coming = _rows(options, frame, at)
    drawn = [
        (bar, row)
        for row in (*past, *coming)
        if (bar := _bar(row, at)).ends >= frame.since and bar.begins <= frame.until
    ]
    if options.json:
        for _, row in drawn:
            print(json.dumps(row))
    else:
        marks = LINES if writes_unicode() else ASCII
        for line in draw([bar for bar, _ in drawn], frame, at, columns(), marks):
            print(line)
    for found, what in ((past, "newest rows of the record"), (coming, "next instants")):
        if len(found) >= MOST:
            print(
                f"jobctl timeline: these are only the {MOST} {what}; ask for fewer jobs, or a shorter time",
                file=sys.stderr,
            )
    return 0


def _rows(options: argparse.Namespace, frame: Frame, at: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was, and what comes. Raises Failed."""
    glob: str | None = options.jobs
    past: dict[str, dict[str, Any]] = {}
    coming: list[dict[str, Any]] = []
    with Daemon(options.runtime_dir) as called:
        # What was due before that time may have run in it.
        since, until = _asked(frame.since - AROUND), _asked(frame.until)
        for told in called.replies("History", glob=glob, limit=MOST, since=since, until=until):
            past |= {row["run_id"]: row for row in told["runs"]}
        seen = sum(row["outcome"] == "running" for row in past.values())
        if called.call("Status")["daemon"]["running"] > seen:
            # They began long before; it takes long to find them where the record is large.
            for told in called.replies("History", glob=glob, limit=MOST, outcome="running"):
                past |= {row["run_id"]: row for row in told["runs"]}
        if frame.until > at:
            for told in called.replies("Next", glob=glob, limit=MOST, until=until):
                coming += told["instants"]
        if not (past or coming) and glob is not None and is_name(glob):
            called.call("Why", job_id=glob)  # says so where there is no such job
    return sorted(past.values(), key=lambda row: str(row["run_id"])), coming


def _frame(options: argparse.Namespace, at: datetime) -> Frame:
    """Raises Failed."""
    since, until = at - AROUND, at + AROUND
    if options.since or options.until:
        from jobschedd.ctl.record import Asker, as_asked  # noqa: PLC0415 - knows how a time is written, which takes long to import

        asker = Asker(options)
        given = [moment(as_asked(asker.moment(text))) if text else None for text in (options.since, options.until)]
        since, until = (
            given[0] or min(since, (given[1] or at) - AROUND),
            given[1] or max(until, (given[0] or at) + AROUND),
        )
    if not SHORTEST <= until - since <= LONGEST:
        raise Failed("cannot draw that: --until has to be later than --since, by a minute to a hundred years", USAGE)
    return Frame(since, until)


def _asked(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=None).isoformat()}Z"


def _bar(row: dict[str, Any], at: datetime) -> Bar:
    if "outcome" not in row:
        coming = moment(row["starts_at"])
        return Bar(row["job_id"], "coming", coming, coming)
    begins = moment(row.get("started_at") or row.get("first_scheduled_at") or row["scheduled_at"])
    if row["outcome"] == "running":
        return Bar(row["job_id"], "running", begins, at)
    ends = moment(row.get("ended_at") or row["scheduled_at"])
    return Bar(row["job_id"], row["outcome"], begins, max(begins, ends))
