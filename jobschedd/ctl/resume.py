"""`jobctl resume`: have a paused job go on."""

from __future__ import annotations

import argparse
import json

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import Daemon

HELP = "have a paused job go on"
EXAMPLE = "jobctl resume daily-report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "job", metavar="JOB", help="job id")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir) as called:
        told = called.call("Resume", job_id=options.job)
    if options.json:
        print(json.dumps(told))
    else:
        print(f"{options.job}: " + ("goes on" if told["changed"] else "was not paused"))
    return 0
