"""`jobctl stop`: end a run, or all runs of a job."""

from __future__ import annotations

import argparse
import json

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import Daemon

HELP = "end a run, or all runs of a job: SIGTERM, and SIGKILL when its kill_after is over"
EXAMPLE = "jobctl stop daily-report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "name", outcome="running", metavar="JOB|RUN", help="job id or run id")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir) as called:
        told = called.call("Stop", name=options.name)
    if options.json:
        print(json.dumps(told))
        return 0
    for run_id in told["run_ids"]:
        print(f"asked to end: run {run_id}")
    if not told["run_ids"]:
        print(f"nothing of {options.name} runs or waits")
    return 0
