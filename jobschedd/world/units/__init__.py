"""Runs in a sandbox: each is a transient unit of systemd's."""

from jobschedd.world.units.units import Units

__all__ = ["Units"]
