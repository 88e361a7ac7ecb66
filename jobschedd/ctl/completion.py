"""`jobctl completion`: what a shell has to be told to complete commands, options and job ids."""

from __future__ import annotations

import argparse
import os
from typing import Any

HELP = "print what makes a shell complete jobctl; job ids come from the daemon"
EXAMPLE = "jobctl completion bash >/usr/share/bash-completion/completions/jobctl"

PATIENCE = 1.0
"""Seconds: whoever has pressed a key waits for no daemon."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def run(options: argparse.Namespace) -> int:
    import argcomplete  # noqa: PLC0415 - nobody else needs it

    print(argcomplete.shell_integration.shellcode(["jobctl"], shell=options.shell))
    return 0


def add(parser: argparse.ArgumentParser, name: str, **keys: Any) -> None:
    """An argument that is a job id."""
    action = parser.add_argument(name, **keys)
    if "_ARGCOMPLETE" in os.environ:
        action.completer = _job_ids  # type: ignore[attr-defined]


def _job_ids(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from jobschedd.ctl.daemon import Daemon, Failed  # noqa: PLC0415 - as above

    if set("*?[") & set(prefix):
        return []
    try:
        with Daemon(getattr(parsed_args, "runtime_dir", None), patience=PATIENCE) as called:
            replies = called.replies("List", glob=f"{prefix}*")
            return [job["job_id"] for told in replies for job in told.get("jobs", ())]
    except Failed:
        return []
