"""`jobctl completion`: what a shell has to be told to complete commands, options and job ids."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from typing import Any

HELP = "print what makes a shell complete jobctl; job ids come from the daemon"
EXAMPLE = "jobctl completion bash >/usr/share/bash-completion/completions/jobctl"

PATIENCE = 1.0
"""Seconds: whoever has pressed a key waits for no daemon."""

MOST_RUNS = 20
"""Run ids that are offered, the newest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def run(options: argparse.Namespace) -> int:
    import argcomplete  # noqa: PLC0415 - nobody else needs it

    print(argcomplete.shell_integration.shellcode(["jobctl"], shell=options.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """Tell the shell that has asked, and end the process."""
    from argcomplete.finders import CompletionFinder  # noqa: PLC0415 - as above

    class Finder(CompletionFinder):
        def quote_completions(self, completions: list[str], cword_prequote: str, last_wordbreak_pos: int | None) -> Any:
            # bash puts a completion in the place of what follows the last of COMP_WORDBREAKS in the word; of an @ in
            # the place of the @ too (rl_special_prefixes, readline(3)).
            at = last_wordbreak_pos
            if at is not None and all(word[at : at + 1] == "@" for word in completions):
                at -= 1
            return super().quote_completions(completions, cword_prequote, at)

    Finder()(parser)


def add(parser: argparse.ArgumentParser, name: str, *, outcome: str | None = None, **keys: Any) -> None:
    """An argument that is a job id; where it may be a run id too, `outcome` says which runs: `running`, or `*`."""
    action = parser.add_argument(name, **keys)
    if "_ARGCOMPLETE" in os.environ:

        def complete(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
            # What another machine has is not asked for at each press of a key.
            elsewhere = getattr(parsed_args, "host", None) is not None
            return [] if elsewhere else _found(prefix, getattr(parsed_args, "runtime_dir", None), outcome)

        # Where argcomplete looks for it; argparse, which made the action, knows of no such attribute.
        action.completer = complete  # type: ignore[attr-defined]


def _found(prefix: str, runtime_dir: str | None, outcome: str | None) -> list[str]:
    from jobschedd.ctl.daemon import Daemon, Failed, is_name  # noqa: PLC0415 - as above

    if not is_name(prefix):
        return []
    found: list[str] = []
    # A shell that completes says nothing.
    with suppress(Failed), Daemon(runtime_dir, patience=PATIENCE) as called:
        for told in called.replies("List", glob=f"{prefix}*"):
            found += [job["job_id"] for job in told.get("jobs", ())]
        if outcome is not None:
            wanted = None if outcome == "*" else outcome
            for told in called.replies("History", limit=MOST_RUNS, outcome=wanted):
                found += [row["run_id"] for row in told["runs"] if row.get("started_at")]
    return [word for word in found if word.startswith(prefix)]
