"""`jobctl next`: what is due, all jobs in one order."""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from typing import Any

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.amounts import count, duration
from jobschedd.ctl.daemon import Daemon, is_name
from jobschedd.ctl.terminal import BOLD, ahead, moment, now, plain, styled

HELP = "what is due, all jobs in one order"
EXAMPLE = "jobctl next --within 24h"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "jobs", nargs="?", metavar="GLOB", help="job id or pattern; default: all jobs")
    parser.add_argument("-n", dest="most", metavar="N", type=count, default=50, help="how many instants (50)")
    parser.add_argument(
        "--within", metavar="DURATION", type=duration, default=timedelta(days=1), help="how far ahead (24h)"
    )
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    until = f"{(now() + options.within).replace(tzinfo=None).isoformat()}Z"
    found: list[dict[str, Any]] = []
    with Daemon(options.runtime_dir) as called:
        for told in called.replies("Next", glob=options.jobs, limit=options.most, until=until):
            found += told["instants"]
        if not found and options.jobs is not None and is_name(options.jobs):
            called.call("Show", job_id=options.jobs)  # says so where there is no such job
    day = ""
    for due in found:
        if options.json:
            print(json.dumps(due))
            continue
        at = moment(due["scheduled_at"]).astimezone()
        if day != (day := f"{at:%A, %Y-%m-%d}"):
            print(styled(day, BOLD))
        held = "" if due["starts_at"] == due["scheduled_at"] else f"  (jitter: starts {ahead(due['starts_at'])})"
        print(f"  {at:%H:%M:%S}  {ahead(due['scheduled_at']):>12}  {plain(due['job_id'])}{held}")
    if not options.json:
        if not found:
            print("nothing is due in that time")
        elif len(found) == options.most:
            print(f"and perhaps more: these are the first {options.most}; ask for others with -n")
    return 0
