"""`jobctl why`: in words, why a job did or did not run."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from typing import TYPE_CHECKING

from jobschedd.ctl import record
from jobschedd.ctl.history import WIDTH
from jobschedd.ctl.record import NO_SUCH_JOB, USAGE, Asker, plain
from jobschedd.explanation import Explanation
from jobschedd.model.error import BadFile
from jobschedd.world.store.reading import UnreadableRecord

if TYPE_CHECKING:
    pass

HELP = "in words: why a job did or did not run then"
EXAMPLE = "jobctl why backup --at 2026-11-23T02:00"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="job id")
    parser.add_argument("--at", metavar="TIME", help="the instant, or any time after it; default: now")
    record.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    asker = Asker(options)
    try:
        moment = asker.moment(options.at) if options.at else asker.now
        with asker.record() as reader:
            versions = list(reader.versions(options.job))
            if not versions:
                print(f"jobctl why: the record knows no job {plain(options.job)}; see: jobctl history", file=sys.stderr)
                return NO_SUCH_JOB
            explanation = Explanation(reader, versions, moment, now=asker.now, zones=asker.zones)
            text, rows = explanation.words(), explanation.rows
    except (UnreadableRecord, BadFile) as error:
        print(f"jobctl why: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"jobctl why: {error}", file=sys.stderr)
        return USAGE
    if options.json:
        print(json.dumps({"job_id": options.job, "answer": text, "rows": [row.told() for row in rows]}))
    else:
        print(textwrap.fill(plain(text), WIDTH, break_long_words=False, break_on_hyphens=False))
    return 0
