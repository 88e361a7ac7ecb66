"""`jobctl show`: one job, where it comes from, and what becomes of it."""

from __future__ import annotations

import argparse
import json

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import Daemon
from jobschedd.ctl.history import show_rows
from jobschedd.ctl.terminal import BOLD, RED, ahead, clock, plain, styled

HELP = "the definition in force, its file and what that shadows, next instants, recent runs"
EXAMPLE = "jobctl show daily-report"

STANDINGS = {
    "in_force": "in force",
    "shadowed": "shadowed: the same name stands in a directory that comes first",
    "rival": "wants the same id, and comes later by name",
    "broken": "would come first, but cannot be read: what was in force before stays (jobctl check tells)",
    "gone": "is gone; what it said last stays in force",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "job", metavar="JOB", help="job id")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir) as called:
        told = called.call("Show", job_id=options.job)
    if options.json:
        print(json.dumps(told))
        return 0
    job = told["job"]
    state = "paused" if job["paused"] else "" if job["enabled"] else "not enabled"
    print(styled(plain(job["job_id"]), BOLD) + (f" ({state})" if state else ""), plain(job["description"]), sep="  ")
    for file in told["files"]:
        print(f"  {plain(file['path'])}: {plain(STANDINGS.get(file['standing'], file['standing']))}")
    if job.get("problem"):
        print(styled(f"  problem: {plain(job['problem'])}\n  An older version of the file stays in force.", RED))
    print(f"\nruns as {plain(job['user'])}; {job['running']} running, {job['waiting']} waiting\n")
    for line in json.dumps(told["definition"], indent=2, ensure_ascii=False).splitlines():
        print(plain(line))
    print("\nnext:" if told["coming"] else "\nnot due again by its schedule")
    for instant in told["coming"]:
        print(f"  {clock(instant)}  {ahead(instant)}")
    print("\nlast:" if told["runs"] else "\nnothing of it is on the record")
    show_rows(told["runs"])
    return 0
