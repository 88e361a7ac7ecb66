"""From what cron, anacron and systemd run to job files: read exactly, translated exactly, proved, written, reported."""
