"""Where the settings file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobschedd.model.config import Settings, read_settings
from jobschedd.model.error import BadSetting
from jobschedd.model.places import Places

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_settings(places: Places, env: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The settings file, if there is one, with environment and flags laid over it. Raises BadSetting."""
    file = places.config
    try:
        with open(file, encoding="utf-8") as opened:
            text: str | None = opened.read()
    except FileNotFoundError:
        text = None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{file}: cannot read the settings: {error}") from None
    return read_settings(file, text, env, flags, places)
