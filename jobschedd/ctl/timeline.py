"""`jobctl timeline`: past runs and coming instants drawn over time, so that overlaps and crowded minutes are seen."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timedelta
from typing import Any

from jobschedd.ctl import completion, daemon, record
from jobschedd.ctl.daemon import Daemon
from jobschedd.ctl.drawing import ASCII, LINES, Bar, Frame, draw
from jobschedd.ctl.record import Asker, as_asked
from jobschedd.ctl.terminal import columns, moment, now

HELP = "past runs and coming instants, drawn over time"
EXAMPLE = "jobctl timeline --since 6h"

MOST = 5_000
"""Rows of the record, and coming instants, that are drawn."""

AROUND = timedelta(hours=12)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "jobs", nargs="?", metavar="GLOB", help="job id or pattern; default: all jobs")
    parser.add_argument("--since", metavar="TIME", help="where it begins; default: 12 hours ago")
    parser.add_argument("--until", metavar="TIME", help="where it ends; default: 12 hours from now")
    daemon.add_arguments(parser)
    record.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    at = now()
    since, until = _span(options, at)
    bars: list[Bar] = []
    rows: list[dict[str, Any]] = []
    glob = options.jobs
    with Daemon(options.runtime_dir) as called:
        asked = {"glob": glob, "since": _asked(since - AROUND), "until": _asked(until), "limit": MOST}
        for told in called.replies("History", **asked):
            rows += told["runs"]
        for told in called.replies("Next", glob=glob, until=_asked(until), limit=MOST) if until > at else ():
            rows += told["instants"]
    for row in rows:
        bar = _bar(row, at)
        if bar.ends >= since and bar.begins <= until:
            bars.append(bar)
            if options.json:
                print(json.dumps(row))
    if not options.json:
        marks = LINES if "utf" in (sys.stdout.encoding or "").lower() else ASCII
        for line in draw(bars, Frame(since, until), at, columns(), marks):
            print(line)
    return 0


def _span(options: argparse.Namespace, at: datetime) -> tuple[datetime, datetime]:
    asker = Asker(options)
    given = [moment(as_asked(asker.moment(text))) if text else None for text in (options.since, options.until)]
    since = given[0] or at - AROUND
    until = given[1] or max(at + AROUND, since + timedelta(minutes=1))
    return since, max(until, since + timedelta(minutes=1))


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
