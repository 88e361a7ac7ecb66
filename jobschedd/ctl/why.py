"""`jobctl why`: in words, why a job did or did not run."""

from __future__ import annotations

import argparse
import json
import textwrap

from jobschedd.ctl import completion, daemon, record
from jobschedd.ctl.daemon import NO_SUCH, Daemon, Failed
from jobschedd.ctl.record import Asker, as_asked
from jobschedd.ctl.terminal import WIDTH, plain

HELP = "in words: why a job did or did not run then"
EXAMPLE = "jobctl why backup --at 2026-11-23T02:00"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    completion.add(parser, "job", metavar="JOB", help="job id")
    parser.add_argument("--at", metavar="TIME", help="the instant, or any time after it; default: now")
    record.add_arguments(parser)
    daemon.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    asker = Asker(options)
    moment = asker.moment(options.at) if options.at else None
    if asker.reads_itself():
        from jobschedd.explanation import Explanation  # noqa: PLC0415 - imports croniter, which the daemon has done already

        with asker.record() as reader:
            versions = list(reader.versions(options.job))
            if not versions:
                raise Failed(f"the record knows no job {plain(options.job)}; see: jobctl history", NO_SUCH)
            at = asker.now if moment is None else moment
            explanation = Explanation(reader, versions, at, now=asker.now, zones=asker.zones)
            text, rows = explanation.words(), [row.told() for row in explanation.rows]
    else:
        with Daemon(options.runtime_dir) as called:
            told = called.call("Why", job_id=options.job, at=None if moment is None else as_asked(moment))
        text, rows = told["answer"], told["runs"]
    if options.json:
        print(json.dumps({"job_id": options.job, "answer": text, "runs": rows}))
    else:
        print(textwrap.fill(plain(text), WIDTH, break_long_words=False, break_on_hyphens=False))
    return 0
