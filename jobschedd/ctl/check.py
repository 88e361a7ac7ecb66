"""`jobctl check`: lint job files without a daemon."""

from __future__ import annotations

import argparse
import grp
import json
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobschedd.ctl.terminal import many
from jobschedd.model.catalog import Catalog, Troubled
from jobschedd.model.config import Settings
from jobschedd.model.error import BadFile, BadSetting, Problem
from jobschedd.model.job import Definition, parse
from jobschedd.model.layers import is_job_file
from jobschedd.model.lint import lint
from jobschedd.model.message import FileChange
from jobschedd.model.places import places
from jobschedd.model.timing import Defaults
from jobschedd.world.clock import SystemClock
from jobschedd.world.settings import load_settings
from jobschedd.world.task_types import InstalledTaskTypes
from jobschedd.world.zones import ZoneDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HELP = "lint job files, no daemon needed; exit 1 on any error"
EXAMPLE = "jobctl check /etc/jobs.d ./backup.json"


@dataclass(frozen=True, slots=True)
class Finding:
    path: str
    problem: Problem
    severity: str

    def text(self) -> str:
        return f"{self.severity}: {self.path}: {self.problem}"

    def json(self) -> str:
        return json.dumps(
            {
                "path": self.path,
                "severity": self.severity,
                "where": self.problem.where,
                "text": self.problem.text,
                "line": self.problem.line,
                "column": self.problem.column,
            },
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or directories; default: the job directories")


def run(options: argparse.Namespace) -> int:
    env = dict(os.environ)
    try:
        settings = load_settings(places(env, os.geteuid(), str(Path.home())), env, {})
    except BadSetting as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    paths = options.paths or [path for path in settings.jobs_dirs if os.path.isdir(path)]
    return report(paths, settings, as_json=options.json)


def check_directories(settings: Settings) -> int:
    """`jobschedd --check`: all that the daemon would load."""
    return report([path for path in settings.jobs_dirs if os.path.isdir(path)], settings, as_json=False)


def report(paths: Sequence[str], settings: Settings, *, as_json: bool) -> int:
    """Print what is found; the exit code."""
    found = list(check(paths, settings))
    for finding in found:
        print(finding.json() if as_json else finding.text())
    errors = sum(finding.severity == "error" for finding in found)
    if not as_json:
        print(
            f"{many(errors, 'error')}, {many(len(found) - errors, 'warning')} in {', '.join(paths) or 'no directory'}"
        )
    return 1 if errors else 0


def check(paths: Sequence[str], settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong or doubtful in these files, in the order the daemon would load them."""
    zones = ZoneDatabase()
    defaults = Defaults(zones.local(), settings.defaults, zones, InstalledTaskTypes())
    catalog = Catalog()
    now = SystemClock().now()
    for name, path in files(paths):
        problems: tuple[Problem, ...] = ()
        definition = None
        try:
            data = Path(path).read_bytes()
            if not data:
                continue  # a mask
            definition = parse(name, path, data, defaults)
        except OSError as error:
            problems = (Problem("", f"cannot read it: {error.strerror}"),)
        except BadFile as error:
            problems = error.problems
        for effect in catalog.apply(FileChange(name, path, definition, problems)):
            if isinstance(effect, Troubled):
                yield from (Finding(effect.path, problem, "error") for problem in effect.problems)
        if definition is not None:
            for warning in (*lint(definition, now), *strangers(definition)):
                yield Finding(path, warning, "warning")


def files(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and path of each job file; of one name in several directories the first."""
    seen: set[str] = set()
    for path in paths:
        if not os.path.isdir(path):
            yield os.path.basename(path), path
            continue
        for name in sorted(filter(is_job_file, os.listdir(path))):
            if name not in seen:
                seen.add(name)
                yield name, os.path.join(path, name)


def strangers(definition: Definition) -> Iterator[Problem]:
    """Users and groups that this machine does not know now. They may come; until then runs are refused."""
    launch = definition.launch()
    named = [("user", launch.user, pwd.getpwnam), ("group", launch.group, grp.getgrnam)]
    named += [("groups", name, grp.getgrnam) for name in launch.groups or ()]
    for key, name, look_up in named:
        try:
            if name is not None:
                look_up(name)
        except KeyError:
            yield Problem(
                f"task.{key}",
                f'no {key.removesuffix("s")} "{name}" on this machine; runs will be refused until there is',
            )
