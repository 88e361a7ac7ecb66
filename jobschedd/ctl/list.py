"""`jobctl list`: all jobs at a glance, those that need care first."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from typing import Any

from jobschedd.ctl import completion, daemon
from jobschedd.ctl.daemon import NO_SUCH, Daemon, Failed, is_name
from jobschedd.ctl.terminal import GOOD, RED, YELLOW, ahead, clock, columns, many, plain, show_table

HELP = "jobs with schedule, next start, last outcome and problems; what needs care comes first"
EXAMPLE = 'jobctl list "backup-*"'


MOST_PROBLEMS = 20
"""Files whose problems are told in full."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "jobs", nargs="?", metavar="GLOB", help="job id or pattern; default: all jobs")
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    jobs: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    with Daemon(options.runtime_dir) as called:
        for told in called.replies("List", glob=options.jobs):
            jobs += told.get("jobs", ())
            problems += told.get("problems", ())
        by_name = options.jobs is not None and is_name(options.jobs)
        if by_name and not (jobs or problems):
            # Which job a file would give is not known where it cannot be read; it is asked for by the file's name too.
            for told in called.replies("List", glob=f"{options.jobs}.*"):
                problems += [each for each in told.get("problems", ()) if _stem(each) == options.jobs]
    if by_name and not (jobs or problems):
        raise Failed(f"there is no job {options.jobs}, or you may not see it", NO_SUCH)
    if options.json:
        for entry in [*jobs, *problems]:
            print(json.dumps(entry))
    elif jobs or problems:
        _show_jobs(jobs, problems)
        _show_problems(problems)
    else:
        print("no jobs" if options.jobs is None else f"no jobs match {plain(options.jobs)}")
    return 1 if by_name and not jobs else 0


def _stem(problem: dict[str, Any]) -> str:
    return os.path.splitext(os.path.basename(str(problem["file"])))[0]


def _show_jobs(jobs: list[dict[str, Any]], problems: list[dict[str, Any]]) -> None:
    strays = [problem for problem in problems if not problem.get("keeps")]
    rows = [(os.path.basename(problem["file"]), "-", "-", "-", problem["text"]) for problem in strays]
    styles = [RED] * len(rows)
    for job in sorted(jobs, key=lambda job: (not needs_care(job), job["job_id"])):
        rows.append(
            (job["job_id"], job.get("schedule") or job.get("trigger") or "-", _next(job), _last(job), _remark(job))
        )
        styles.append(RED if needs_care(job) else YELLOW if job["paused"] or not job["enabled"] else "")
    show_table(("JOB", "SCHEDULE", "NEXT", "LAST", "REMARK"), rows, styles, soft=2)


def _show_problems(problems: list[dict[str, Any]]) -> None:
    """Whole: in a line of the table there is no room for what would help."""
    if problems:
        print()
    for problem in problems[:MOST_PROBLEMS]:
        kept = f"; its last good version keeps {problem['keeps']} in force" if problem.get("keeps") else ""
        print(f"{plain(problem['file'])}:")
        print(textwrap.fill(plain(problem["text"] + kept), columns(), initial_indent="  ", subsequent_indent="  "))
    if len(problems) > MOST_PROBLEMS:
        print(f"and {many(len(problems) - MOST_PROBLEMS, 'more problem')}: jobctl check tells all")


def needs_care(job: dict[str, Any]) -> bool:
    last = job.get("last") or {}
    went_well = last.get("outcome", GOOD[0]) in (*GOOD, "coalesced", "stopped") or last.get("reason") == "paused"
    return bool(job.get("problem")) or not went_well


def _next(job: dict[str, Any]) -> str:
    if job["running"]:
        return "running"
    if job["waiting"]:
        return "waiting"
    if not job["enabled"]:
        return "disabled"
    return "paused" if job["paused"] else ahead(job.get("next_due")) or "-"


def _last(job: dict[str, Any]) -> str:
    last = job.get("last")
    return "-" if last is None else f"{last['outcome']} {clock(last['scheduled_at'])[5:16]}"


def _remark(job: dict[str, Any]) -> str:
    if job.get("problem"):
        return f"its file: {job['problem']}"
    last = job.get("last") or {}
    if last.get("outcome") in GOOD:
        return str(job["description"])
    if last.get("signal"):
        return f"signal {last['signal']}"
    if last.get("exit_code"):
        return f"exit code {last['exit_code']}"
    return str(last.get("reason") or job["description"])
