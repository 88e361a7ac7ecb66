"""`jobctl pause`: let the instants of a job pass."""

from __future__ import annotations

import argparse
import json

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import Daemon

HELP = "let the instants of a job pass until it is resumed; survives a restart"
EXAMPLE = "jobctl pause daily-report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "job", metavar="JOB", help="job id")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir) as called:
        told = called.call("Pause", job_id=options.job)
    if options.json:
        print(json.dumps(told))
    else:
        print(
            f"{options.job}: "
            + ("paused; its instants pass until: jobctl resume" if told["changed"] else "is paused already")
        )
    return 0
