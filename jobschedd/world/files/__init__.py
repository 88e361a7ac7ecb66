"""The job directories: which files may be believed, what changed, what they say."""
