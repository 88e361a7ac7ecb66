"""`jobctl audit`: proves over the record that every instant has an outcome, and none two starts."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from typing import TYPE_CHECKING

from jobschedd.ctl import record
from jobschedd.ctl.daemon import Failed
from jobschedd.ctl.record import Asker
from jobschedd.model.audit import MOST_NAMED, Audit, InForce, audit_job
from jobschedd.model.error import BadFile
from jobschedd.model.job import read_terms
from jobschedd.model.run import show_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobschedd.model.run import Instant
    from jobschedd.world.store.reading import Reader, Version

HELP = "compute every instant anew and compare with the record; exit 1 if one is unexplained, double or early"
EXAMPLE = "jobctl audit --since 30d"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="instants from here on; default: from the beginning")
    record.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    asker = Asker(options)
    total, unread, forgotten = Audit(), [], 0
    since = asker.moment(options.since) if options.since else 0
    with asker.record() as reader:
        reader.hold()
        until = reader.seen_at()
        if until is None:
            raise Failed("the record is empty: no daemon has written to it yet")
        boots = reader.boots()
        jobs = {job_id: list(found) for job_id, found in groupby(reader.versions(), lambda version: version.job_id)}
        for number, (job_id, versions) in enumerate(jobs.items(), 1):
            _show_progress(number, len(jobs))
            forgotten += any(version.forgotten > max(version.since, since) for version in versions)
            try:
                in_force = _in_force(asker, job_id, versions, since, until)
            except BadFile as error:  # a zone that this machine does not have any more
                unread.append(f"cannot compute the instants of {job_id}: {error}")
            else:
                total.add(_audit(reader, job_id, in_force, boots, until))
    _tell(options, asker, total, until, forgotten)
    for text in unread:
        print(f"jobctl audit: {text}", file=sys.stderr)
    return 0 if total.clean and not unread else 1


def _audit(reader: Reader, job_id: str, versions: list[InForce], boots: list[list[Instant]], until: Instant) -> Audit:
    return audit_job(
        job_id,
        versions,
        starts=reader.starts(job_id),
        rows=reader.rows(job_id),
        owing=reader.owing(job_id),
        boots=boots,
        until=until,
    )


def _in_force(asker: Asker, job_id: str, versions: Iterable[Version], since: Instant, until: Instant) -> list[InForce]:
    made = []
    for version in versions:
        definition = read_terms(job_id, version.terms, asker.zones)
        if definition.job.enabled and definition.schedule is not None:
            after = max(version.since, version.forgotten, since - 1)
            made.append(InForce(definition.schedule, version.delay, after, version.until or until, version.digest))
    return made


def _show_progress(number: int, jobs: int) -> None:
    if sys.stderr.isatty() and (number % 100 == 0 or number == jobs):
        done = 40 * number // jobs
        end = "\r\x1b[K" if number == jobs else "\r"
        print(f"[{'#' * done:40}] {number} of {jobs} jobs", end=end, file=sys.stderr, flush=True)


def _tell(options: argparse.Namespace, asker: Asker, total: Audit, until: Instant, forgotten: int) -> None:
    """`forgotten`: jobs whose older rows have been deleted."""
    kinds = (("unexplained", total.unexplained), ("double", total.double), ("early", total.early))
    for kind, found in kinds:
        for job_id, instant in found[:MOST_NAMED]:
            if options.json:
                print(json.dumps({"problem": kind, "job_id": job_id, "scheduled_at": show_instant(instant)}))
            else:
                print(f"{kind}: {job_id} {asker.show(instant)}; see: jobctl why {job_id} --at {show_instant(instant)}")
    numbers = {
        "instants": total.instants,
        "explained": total.explained,
        "unexplained": total.unexplained_count,
        "double": len(total.double),
        "early": len(total.early),
    }
    if options.json:
        more = {"uncounted_rows": total.rows, "shortened_jobs": forgotten, "until": show_instant(until)}
        print(json.dumps(numbers | more))
        return
    print(", ".join(f"{name} {number}" for name, number in numbers.items()) + f"; up to {asker.show(until)}")
    if total.rows:
        print(f"and {total.rows} rows of more instants than are counted, all explained")
    if forgotten:
        print(f"of {forgotten} jobs the older rows have been deleted (keep_runs_for, keep_runs_per_job): not looked at")
