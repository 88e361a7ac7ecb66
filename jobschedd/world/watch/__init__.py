"""Files that jobs wait for: inotify, and a look through their directories where it does not tell all."""

from jobschedd.world.watch.watches import FileWatches

__all__ = ["FileWatches"]
