"""`jobschedd`: arguments, the one broad except, exit codes."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobschedd import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
example:
  jobschedd --jobs-dir ./jobs.d --state-dir ./state --runtime-dir ./run

exit codes: 0 stopped as asked; 1 cannot run; 2 usage"""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jobschedd",
        description="Runs what the files in the job directories describe. Stays in the foreground.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--jobs-dir", dest="jobs_dirs", action="append", metavar="DIR", help="job directory; repeat it, highest first"
    )
    parser.add_argument("--config", metavar="FILE", help="settings file")
    parser.add_argument("--state-dir", metavar="DIR", help="where the record and the lock are")
    parser.add_argument("--runtime-dir", metavar="DIR", help="where the socket will be")
    parser.add_argument(
        "--log-level",
        type=str.lower,
        choices=("debug", "info", "warning", "error"),
        help="the least important thing that is said (info)",
    )
    parser.add_argument(
        "--log-format",
        type=str.lower,
        choices=("auto", "journal", "text", "json"),
        help="where and how; auto: the journal when started by systemd, else text on stderr",
    )
    parser.add_argument("--catch-up-parallel", metavar="N", help="runs owed from before that go on at once (4)")
    parser.add_argument("--stop-runs", action=argparse.BooleanOptionalAction, help="end running jobs at stop")
    parser.add_argument("--stop-grace", metavar="TIME", help="what runs get to end by themselves (30s)")
    parser.add_argument("--keep-runs-for", metavar="TIME", help="how long the record keeps what happened (90d)")
    parser.add_argument("--keep-runs-per-job", metavar="N", help="how many runs of one job it keeps (1000)")
    parser.add_argument("--store", metavar="URL", help="where the record is: sqlite:///FILE")
    parser.add_argument("--rescan-every", metavar="TIME", help="how often all files are looked at (5m)")
    parser.add_argument("--check", action="store_true", help="look for problems in the job files, say them, exit")
    parser.add_argument("--version", action="version", version=f"jobschedd {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    from jobschedd.daemon import Daemon  # noqa: PLC0415 - pydantic is slow to import, and --help needs none of this
    from jobschedd.model.config import KEYS  # noqa: PLC0415 - pydantic is slow to import, and --help needs none of this
    from jobschedd.model.error import BadSetting, CannotRun  # noqa: PLC0415 - pydantic is slow to import, and --help needs none of this
    from jobschedd.model.places import places  # noqa: PLC0415 - pydantic is slow to import, and --help needs none of this
    from jobschedd.opening import Asked  # noqa: PLC0415 - pydantic is slow to import, and --help needs none of this

    flags: dict[str, Any] = {key: getattr(options, key) for key in KEYS if getattr(options, key, None) is not None}
    if "jobs_dirs" in flags:
        flags["jobs_dirs"] = [os.path.abspath(path) for path in flags["jobs_dirs"]]
    env = dict(os.environ)
    for name in ("config", "state_dir", "runtime_dir"):
        if getattr(options, name) is not None:
            env[f"JOBSCHEDD_{name.upper()}"] = os.path.abspath(getattr(options, name))
    asked = Asked(places(env, os.geteuid(), str(Path.home())), flags, env)
    try:
        if options.check:
            from jobschedd.ctl.check import check_directories  # noqa: PLC0415 - a daemon that serves needs none of the linter

            return check_directories(asked.settings())
        return Daemon(asked).run()
    except (BadSetting, CannotRun) as error:
        print(f"jobschedd: {error}", file=sys.stderr)  # noqa: T201 - before there is a log
    except Exception:  # noqa: BLE001 - the door: a bug of ours leaves its trace where systemd keeps it, and exit code 1
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    sys.exit(main())
