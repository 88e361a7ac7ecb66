"""The end of a report: what still runs where it stood, and how to take it out. A job that both run runs twice."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from typing import TYPE_CHECKING

from jobschedd.ctl.imports.report import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobschedd.ctl.imports.report import Finding

_WORDS = {
    Status.IMPORTED: "imported",
    Status.WOULD: "would be imported",
    Status.THERE: "already there",
    Status.REFUSED: "cannot be imported",
    Status.IGNORED: "run nowhere",
}
_RUNS_HERE_NOW = (Status.IMPORTED, Status.THERE, Status.REPLACED)
_SPOOLED = re.compile(r"/var/spool/cron/(?:crontabs/)?(?P<user>[^/]+)")


def totals(findings: Sequence[Finding]) -> str:
    counted = Counter(finding.status for finding in findings)
    said = [f"{counted[status]} {words}" for status, words in _WORDS.items() if counted[status]]
    return ", ".join(said) or "nothing to import"


def about_cron(findings: Sequence[Finding]) -> Iterator[str]:
    lines: dict[str, list[int]] = {}
    for finding in findings:
        if finding.status in _RUNS_HERE_NOW and finding.place.line is not None:
            lines.setdefault(finding.place.source, []).append(finding.place.line)
    if not any(finding.status in (Status.IMPORTED, Status.THERE) for finding in findings):
        return
    yield _both_run(
        "cron still runs the lines that were imported", "they are taken out", "take out the lines", findings
    )
    for source, numbers in lines.items():
        yield f"  {_take_out(source, sorted(numbers))}"
    if any(finding.status is Status.REPLACED for finding in findings):
        yield "  the scripts of /etc/cron.* stay where they are: the jobs run them there"
    yield from _enable(findings)


def about_scripts(findings: Sequence[Finding]) -> Iterator[str]:
    if any(finding.status is Status.REPLACED for finding in findings):
        yield (
            "a script that a package adds to /etc/cron.* later is run by nobody once the line of its directory is out:"
            " it needs a job of its own then"
        )


def _both_run(who: str, until: str, go_on: str, findings: Sequence[Finding]) -> str:
    states = {finding.enabled for finding in findings if finding.status in _RUNS_HERE_NOW}
    if True not in states:
        return f"{who}, and these jobs are disabled; to go on, {go_on}:"
    which = "each of these jobs that is not disabled" if False in states else "each of these jobs"
    return f"{who}, and {which} runs twice until {until}:"


def _enable(findings: Sequence[Finding]) -> Iterator[str]:
    found = [finding for finding in findings if finding.status in _RUNS_HERE_NOW and finding.enabled is False]
    files = [finding.file for finding in found if finding.file is not None]
    if files:
        yield 'then enable the jobs that are disabled, by taking the line "enabled": false out of their files:'
        yield f"  sed -i '/^  \"enabled\": false,$/d' {' '.join(map(shlex.quote, files))}"


def _take_out(source: str, numbers: list[int]) -> str:
    if match := _SPOOLED.fullmatch(source):
        return f"crontab -u {shlex.quote(match['user'])} -e    {_in_words(numbers)} of {source}"
    if source == "crontab -l":
        return f"crontab -e    {_in_words(numbers)}"
    if source == "standard input":
        return f"where it came from    {_in_words(numbers)}"
    edits = " ".join(f"-e '{number}s/^/#/'" for number in numbers)
    return f"sed -i {edits} {shlex.quote(source)}"


def _in_words(numbers: list[int]) -> str:
    return f"and put # before line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def about_systemd(findings: Sequence[Finding], *, user: bool) -> Iterator[str]:
    units = [finding.place.source.rpartition("/")[2] for finding in findings if finding.status in _RUNS_HERE_NOW]
    if units:
        yield _both_run("systemd still runs these timers", "they are off", "switch them off", findings)
        yield f"  systemctl {'--user ' if user else ''}disable --now {' '.join(map(shlex.quote, units))}"
        yield from _enable(findings)
