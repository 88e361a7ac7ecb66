"""`jobctl logs`: what a job writes, and what happens to it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.amounts import count
from jobschedd.ctl.daemon import Daemon
from jobschedd.ctl.terminal import DIM, RED, clock, is_terminal, plain_line, styled, writes_unicode

HELP = "output and what happened, of a job or a run, merged"
EXAMPLE = "jobctl logs daily-report -f"

ERROR = 3
"""syslog(3)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "name", outcome="*", metavar="JOB|RUN", help="job id or run id")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes; of a run until it ends")
    parser.add_argument(
        "-n", dest="most", metavar="N", type=count, default=100, help="how many entries, the newest (100)"
    )
    parser.add_argument("--raw", action="store_true", help="the output alone, as it was written")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    follow = options.follow or None
    try:
        with Daemon(options.runtime_dir) as called:
            for told in called.replies(
                "Logs", forever=options.follow, name=options.name, limit=options.most, follow=follow
            ):
                for entry in told["entries"]:
                    _show(entry, options)
    except KeyboardInterrupt:
        return 130
    return 0


def _show(entry: dict[str, Any], options: argparse.Namespace) -> None:
    is_output = entry["event"] == "output"
    if options.json:
        print(json.dumps(entry), flush=True)
    elif options.raw:
        if is_output:
            print(entry["text"], flush=True)
    else:
        text = plain_line(entry["text"]) if is_terminal() or not is_output else entry["text"]
        style = RED if entry["priority"] <= ERROR else "" if is_output else DIM
        mark = "" if is_output else "· " if writes_unicode() else "- "
        print(styled(f"{clock(entry['at'])} {mark}{text}", style), flush=True)
