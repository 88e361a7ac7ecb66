"""`jobctl run`: start a job now."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import Daemon, Failed
from jobschedd.ctl.terminal import DIM, is_terminal, plain, plain_line, styled

HELP = "start a job now; with --wait show what it writes, and exit as it does"
EXAMPLE = "jobctl run daily-report --wait"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "job", metavar="JOB", help="job id")
    parser.add_argument("--wait", action="store_true", help="until it has ended; the exit code is the job's")
    parser.add_argument("--raw", action="store_true", help="pass on what it writes as it is, on a terminal too")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir) as called:
        if not options.wait:
            told = called.call("Run", job_id=options.job)
            _say_begun(told, options)
            return 0
        replies = called.replies("Run", forever=True, at_once=True, job_id=options.job)
        told = next(replies)
        try:
            return _follow(told, replies, options)
        except Failed as error:
            left = f"{error}; of run {told['run_id']} the end will be on the record: jobctl history {options.job}"
            raise Failed(left, error.code) from None
        except KeyboardInterrupt:
            print(
                f"\n{options.job} goes on as run {told['run_id']}; to end it: jobctl stop {told['run_id']}",
                file=sys.stderr,
            )
            return 130


def _say_begun(told: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(told))
    elif told.get("waits"):
        print(f"{options.job}: run {told['run_id']} waits: {plain(told['waits'])}")
    else:
        print(f"{options.job}: started as run {told['run_id']}")


def _follow(told: dict[str, Any], replies: Any, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(told), flush=True)
    ended: dict[str, Any] = {}
    for reply in replies:
        ended = reply.get("run") or ended
        for entry in reply.get("entries") or ():
            if options.json:
                print(json.dumps({"entry": entry}))
            else:
                _show(entry, raw=options.raw)
        if options.json and "run" in reply:
            print(json.dumps(reply))
        sys.stdout.flush()
    return exit_code(ended)


def _show(entry: dict[str, Any], *, raw: bool) -> None:
    """What it writes is our output; what happens to it is not."""
    if entry["event"] == "output":
        print(entry["text"] if raw or not is_terminal() else plain_line(entry["text"]))
    elif entry["event"] != "run_due":
        print(styled(plain(entry["text"]), DIM, sys.stderr), file=sys.stderr, flush=True)


def exit_code(row: dict[str, Any]) -> int:
    """As a shell has it."""
    if row.get("outcome") == "succeeded":
        return 0
    if signal := row.get("signal"):
        return 128 + int(signal)
    return int(row.get("exit_code") or 1)
