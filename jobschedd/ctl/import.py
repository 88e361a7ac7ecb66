"""`jobctl import`: what cron and systemd run on this machine becomes job files."""  # noqa: N999 - named as the command is

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jobschedd.ctl.imports import advice
from jobschedd.ctl.imports.cron_jobs import Circumstances, read_table
from jobschedd.ctl.imports.directories import RunParts, run_parts, take_apart
from jobschedd.ctl.imports.fields import Cron
from jobschedd.ctl.imports.report import Finding, Place, Status, refused, text_of
from jobschedd.ctl.imports.settling import settle
from jobschedd.ctl.imports.shelf import Shelf
from jobschedd.ctl.imports.tables import Machine, given_table, own_table
from jobschedd.ctl.imports.timers import Timers
from jobschedd.ctl.imports.units import Systemd
from jobschedd.ctl.terminal import plain
from jobschedd.model.error import BadSetting
from jobschedd.model.places import places
from jobschedd.model.timing import Defaults
from jobschedd.world.clock import SystemClock
from jobschedd.world.settings import load_settings
from jobschedd.world.task_types import InstalledTaskTypes
from jobschedd.world.zones import ZoneDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobschedd.ctl.imports.report import Answer
    from jobschedd.ctl.imports.tables import Table

HELP = "write job files from crontabs or systemd timers, and report each line"
EXAMPLE = "jobctl import crontab --dry-run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    crontab = sources.add_parser(
        "crontab",
        help="crontabs of the system and its users, /etc/cron.d, /etc/cron.daily and its like, anacron",
        epilog="example: jobctl import crontab /etc/cron.d/sysstat --dry-run",
    )
    crontab.add_argument("file", nargs="?", metavar="FILE", help="one crontab, - for standard input; default: all")
    crontab.add_argument("--user", metavar="USER", help="that user's own crontab; FILE has no column of users")
    crontab.add_argument("--cron", choices=[cron.value for cron in Cron], help="whose cron; default: what is installed")
    crontab.add_argument("--root", metavar="DIR", help="a machine whose files, and users, stand below DIR")
    timers = sources.add_parser(
        "timers",
        help="systemd timers",
        epilog="example: jobctl import timers backup.timer --dry-run",
    )
    timers.add_argument("units", nargs="*", metavar="UNIT", help="name of a timer, or path of its file; default: all")
    timers.add_argument("--commands", action="store_true", help="run the service's command, where it has nothing else")
    timers.add_argument("--every", action="store_true", help="OnUnitActiveSec= as @every, counted from the epoch")
    for source in (crontab, timers):
        source.add_argument("--output", metavar="DIR", help="where to; default: the first job directory")
        source.add_argument(
            "--disabled", action="store_true", help='write the jobs with "enabled": false, to begin later'
        )
        source.add_argument("--dry-run", action="store_true", help="show the files and report, and write nothing")
        source.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one object a line")


def run(options: argparse.Namespace) -> int:
    env = dict(os.environ)
    zones = ZoneDatabase()
    try:
        settings = load_settings(places(env, os.geteuid(), str(Path.home())), env, {})
        answers = list(_crontabs(options, zones) if options.source == "crontab" else _timers(options, zones))
        # A directory that is no job directory is covered by none.
        beside = () if options.output and options.output not in settings.jobs_dirs else settings.jobs_dirs
        shelf = Shelf(options.output or settings.jobs_dirs[0], beside)
        defaults = Defaults(zones.local(), settings.defaults, zones, InstalledTaskTypes())
        findings = settle(answers, shelf, defaults, enabled=not options.disabled, dry=options.dry_run)
    except (BadSetting, ValueError) as error:
        print(plain(f"jobctl import: {error}"), file=sys.stderr)
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(plain(f"jobctl import: {place}{error.strerror}; nothing was imported"), file=sys.stderr)
        return 1
    _report(findings, options)
    return 1 if any(finding.status is Status.REFUSED for finding in findings) else 0


def _crontabs(options: argparse.Namespace, zones: ZoneDatabase) -> Iterator[Answer]:
    machine = Machine(options.root or "/")
    given = Circumstances(
        cron=Cron(options.cron) if options.cron else machine.cron(),
        zone=zones.local(),
        zones=zones,
        now=SystemClock().now(),
        known_user=machine.knows_user,
    )
    directories: list[RunParts] = []
    for table in _tables(options, machine):
        if isinstance(table, Finding):
            yield table
            continue
        for answer, entry in read_table(table, given):
            found = run_parts(Place(table.source, entry.number), entry) if entry and table.system else None
            if found is None:
                yield answer
            else:
                directories.append(found)
    yield from take_apart(directories, machine, given)


def _tables(options: argparse.Namespace, machine: Machine) -> Iterator[Table | Finding]:
    root = os.geteuid() == 0
    if options.user is not None and not root:
        raise ValueError(f"cannot import the crontab of {options.user} as somebody else; be root")
    if options.file is not None:
        try:
            yield given_table(options.file, options.user, own=not root)
        except ValueError as error:
            yield refused(Place(options.file), str(error))
    elif options.user is not None:
        found = list(machine.user_tables(options.user))
        yield from found or [refused(Place(f"the crontab of {options.user}"), "there is none; name a file instead")]
    elif not root and options.root is None:
        yield own_table()
    else:
        yield from machine.system_tables()
        yield from machine.user_tables()


def _timers(options: argparse.Namespace, zones: ZoneDatabase) -> Iterator[Answer]:
    user = os.geteuid() != 0
    timers = Timers(
        Systemd(user=user),
        zones.local(),
        zones,
        SystemClock().now(),
        commands=options.commands,
        every=options.every,
        user=user,
    )
    yield from timers.read(options.units)


def _report(findings: Sequence[Finding], options: argparse.Namespace) -> None:
    if not options.json:
        _show_files(findings)
    for finding in findings:
        print(finding.json() if options.json else finding.sentence())
    # Objects are for programs; what follows is for whoever sits there.
    out = sys.stderr if options.json else sys.stdout
    print(advice.totals(findings), file=out)
    if options.source == "crontab":
        said = [*advice.about_cron(findings), *advice.about_scripts(findings)]
    else:
        said = [*advice.about_systemd(findings, user=os.geteuid() != 0)]
    for line in said:
        print(plain(line), file=out)


def _show_files(findings: Sequence[Finding]) -> None:
    """Those that would be written, before the report: its end is what stays in sight."""
    for finding in findings:
        if finding.job is not None:
            print(plain(f"{finding.file}:"))
            for line in text_of(finding.job).split("\n"):
                print(plain(line))
