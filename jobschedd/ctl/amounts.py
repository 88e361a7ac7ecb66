"""How many and how long, as they are asked for. Quick to import, unlike what reads the record."""

from __future__ import annotations

import argparse
from datetime import timedelta


def count(text: str) -> int:
    """A number of rows. Raises argparse.ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise argparse.ArgumentTypeError(f'cannot read "{text}" as a number; write 1 or more')
    return int(text[:9])


def duration(text: str) -> timedelta:
    """Raises argparse.ArgumentTypeError."""
    from jobschedd.model.span import parse_duration  # noqa: PLC0415 - few say how long

    try:
        return timedelta(microseconds=parse_duration(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
