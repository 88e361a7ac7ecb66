"""Wanted jobs become files: each is given an id, read by jobschedd's own reader, proved; then all are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobschedd.ctl.imports.naming import unique
from jobschedd.ctl.imports.report import Finding, Status, Wanted, refused, text_of
from jobschedd.model.error import BadFile
from jobschedd.model.job import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobschedd.ctl.imports.report import Answer
    from jobschedd.ctl.imports.shelf import Shelf
    from jobschedd.model.timing import Defaults


def settle(answers: Sequence[Answer], shelf: Shelf, defaults: Defaults, *, enabled: bool, dry: bool) -> list[Finding]:
    """The whole report, in the order of `answers`. Unless `dry`, the files are there when it returns.

    `enabled`: what the jobs are to be. Raises OSError where they cannot be written; then none is.
    """
    there = [shelf.take_same(answer.values) if isinstance(answer, Wanted) else None for answer in answers]
    taken = {same.job_id for same in there if same}
    findings: list[Finding] = []
    files: list[tuple[str, bytes, int]] = []
    for answer, same in zip(answers, there, strict=True):
        if isinstance(answer, Finding):
            findings.append(answer)
        elif same:
            findings.append(Finding(answer.place, Status.THERE, "", same.job_id, same.path, same.enabled))
        else:
            job_id = unique(answer.name, taken.__contains__)
            taken.add(job_id)
            finding, data = _made(answer, job_id, shelf, defaults, enabled=enabled, dry=dry)
            findings.append(finding)
            if data is not None:
                files.append((job_id, data, 0o600 if answer.private else 0o644))
    if not dry:
        _write(files, shelf)
    return findings


def _made(
    wanted: Wanted, job_id: str, shelf: Shelf, defaults: Defaults, *, enabled: bool, dry: bool
) -> tuple[Finding, bytes | None]:
    path = shelf.path(job_id)
    if other := shelf.in_the_way(job_id):
        way = f"{other} has the name {job_id} and is another job; remove it, or write elsewhere: --output DIR"
        return refused(wanted.place, way), None
    # Near the top, where one sees it and a line that is taken out leaves no comma behind.
    job = {"job_id": job_id} | ({} if enabled else {"enabled": False}) | wanted.values
    data = text_of(job).encode()
    try:
        proved = wanted.prove(parse(f"{job_id}.json", path, data, defaults))
    except BadFile as error:
        return refused(wanted.place, str(error)), None
    except ValueError as error:
        return refused(wanted.place, f"{error}; write the job by hand as it is meant"), None
    status = Status.WOULD if dry else Status.IMPORTED
    text = "; ".join((proved, *wanted.notes))
    return Finding(wanted.place, status, text, job_id, path, enabled, job if dry else None), data


def _write(files: Iterable[tuple[str, bytes, int]], shelf: Shelf) -> None:
    try:
        for job_id, data, mode in files:
            shelf.put(job_id, data, mode)
    except BaseException:
        shelf.take_back()
        raise
