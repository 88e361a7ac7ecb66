"""What is true: jobs, schedules, decisions. Pure: no clock, no I/O, no threads."""
