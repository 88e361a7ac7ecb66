"""`jobctl history`: what the record says."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from jobschedd.ctl import completion, daemon, record
from jobschedd.ctl.amounts import count
from jobschedd.ctl.daemon import NO_SUCH, Daemon, Failed, is_name
from jobschedd.ctl.record import Asker, as_asked
from jobschedd.ctl.terminal import GOOD, RED, clock, fit, pad, plain, styled, table_columns, took, width_of
from jobschedd.model.run import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = "what the record says: runs, and instants that did not become runs"
EXAMPLE = 'jobctl history "backup-*" --since 7d --outcome failed'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "jobs", nargs="?", default="*", metavar="GLOB", help="job id or pattern; default: all jobs")
    parser.add_argument("--since", metavar="TIME", help="instants from here on: a day, a timestamp, or 7d ago")
    parser.add_argument("--until", metavar="TIME", help="instants up to here")
    parser.add_argument("--outcome", choices=[str(outcome) for outcome in Outcome], help="only those")
    parser.add_argument("-n", dest="most", metavar="N", type=count, default=50, help="how many, the newest (50)")
    record.add_arguments(parser)
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    asker = Asker(options)
    bounds = {name: asker.moment(text) for name in ("since", "until") if (text := getattr(options, name))}
    rows: list[dict[str, Any]] = []
    if asker.reads_itself():
        with asker.record() as reader:
            rows = [row.told() for row in reader.history(options.jobs, options.most, outcome=options.outcome, **bounds)]
            if not rows and is_name(options.jobs) and not any(reader.versions(options.jobs)):
                raise Failed(f"the record knows no job {plain(options.jobs)}", NO_SUCH)
    else:
        asked: dict[str, Any] = {name: as_asked(instant) for name, instant in bounds.items()}
        with Daemon(options.runtime_dir) as called:
            for told in called.replies(
                "History", glob=options.jobs, outcome=options.outcome, limit=options.most, **asked
            ):
                rows += told["runs"]
            if not rows and is_name(options.jobs):
                called.call("Why", job_id=options.jobs)  # says so where there is no such job
    if options.json:
        for row in rows:
            print(json.dumps(row))
    elif rows:
        show_rows(rows)
    else:
        print("nothing is on the record for that")
    return 0


def show_rows(rows: Sequence[dict[str, Any]]) -> None:
    width = table_columns()
    # On a narrow terminal DUE, JOB and OUTCOME are seen before the others.
    longest = max((width_of(plain(row["job_id"])) for row in rows), default=0)
    its = min(max(3, longest), max(8, width - len(f"{'':19}    {'':9}  {'':9}")))
    if rows:
        print(fit(f"{'DUE':19}  {'JOB':{its}}  {'OUTCOME':9}  {'TOOK':>9}", width))
    for row in rows:
        job = pad(fit(row["job_id"], its), its)
        line = f"{clock(row['scheduled_at'])}  {job}  {row['outcome']:9}  {took(row):>9}  {detail(row)}".rstrip()
        print(styled(fit(line, width), "" if row["outcome"] in GOOD else RED))


def detail(row: dict[str, Any]) -> str:
    """What else there is to say, the most important first."""
    parts = []
    if row.get("first_scheduled_at") is not None and row.get("instants") != 1:
        parts.append(f"{row.get('instants') or 'very many'} instants")
    if row.get("signal") is not None:
        parts.append(f"signal {row['signal']}")
    elif row.get("exit_code"):
        parts.append(f"exit code {row['exit_code']}")
    if row.get("reason"):
        parts.append(row["reason"])
    if row.get("attempt", 1) > 1:
        parts.append(f"attempt {row['attempt']}")
    if row.get("uid") is not None:
        parts.append(f"by uid {row['uid']}")
    return ", ".join(parts)
