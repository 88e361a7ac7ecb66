"""`jobctl reload`: have settings and files read again."""

from __future__ import annotations

import argparse
import json
import sys

from jobschedd.ctl import daemon
from jobschedd.ctl.daemon import Daemon
from jobschedd.ctl.terminal import GREEN, RED, YELLOW, many, plain, styled

HELP = "read settings and all job files again, and say what that changed"
EXAMPLE = "jobctl reload"

_SIGNS = {
    "loaded": ("+", GREEN),
    "replaced": ("~", YELLOW),
    "removed": ("-", RED),
    "problem": ("!", RED),
    "solved": ("=", GREEN),
}

add_arguments = daemon.add_arguments


def run(options: argparse.Namespace) -> int:
    with Daemon(options.runtime_dir, patience=300.0) as called:
        told = called.call("Reload")
    refused = told.get("settings_refused")
    if options.json:
        print(json.dumps(told))
        return 1 if refused or told["problems"] else 0
    for change in told["changes"]:
        sign, colour = _SIGNS.get(change["change"], ("?", ""))
        what = " ".join(plain(change[key]) for key in ("job_id", "file", "text") if change.get(key))
        print(styled(f"{sign} {what}", colour))
    if told.get("left_out"):
        print(f"and {told['left_out']} more; the journal has all")
    if not told["changes"]:
        print("nothing changed")
    print(f"{many(told['jobs'], 'job')} in force, {many(told['problems'], 'problem')}")
    if refused:
        print(styled(f"the settings stay as they were: {plain(refused)}", RED, sys.stderr), file=sys.stderr)
    return 1 if refused or told["problems"] else 0
