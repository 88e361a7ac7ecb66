"""`jobctl status`: how the daemon is."""

from __future__ import annotations

import argparse
import json

from jobschedd.ctl import daemon
from jobschedd.ctl.daemon import Daemon
from jobschedd.ctl.terminal import GREEN, RED, ahead, clock, many, moment, now, plain, span, styled

HELP = "is it up, since when, jobs, problems, running, next due"
EXAMPLE = "jobctl status"

add_arguments = daemon.add_arguments


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir) as called:
        told = called.call("Status")["daemon"]
    if options.json:
        print(json.dumps(told))
        return 0
    state = styled("running", GREEN)
    if told.get("stopping"):
        state = styled("stopping: starts nothing any more", RED)
    if told.get("degraded"):
        state = styled(f"DEGRADED, the record cannot be written: {plain(told['degraded'])}", RED)
    waiting = f", {told['waiting']} waiting" if told["waiting"] else ""
    problems = many(told["problems"], "problem") if told["problems"] else "no problems"
    due = f"{clock(told['next_due'])} ({ahead(told['next_due'])})" if told.get("next_due") else "nothing"
    lines = {
        "jobschedd": f"{state}, version {plain(told['version'])}, process {told['pid']} on {plain(told['host'])}",
        "since": f"{clock(told['since'])} ({span(now() - moment(told['since']))})",
        "jobs": f"{told['jobs']} in force, " + (styled(problems, RED) if told["problems"] else problems),
        "runs": f"{told['running']} running{waiting}",
        "next due": due,
        "job files": plain(", ".join(told["jobs_dirs"])),
    }
    for name, text in lines.items():
        print(f"{name:>10}: {text}")
    if told["problems"]:
        print("\nWhat is wrong with which file: jobctl list")
    return 0
