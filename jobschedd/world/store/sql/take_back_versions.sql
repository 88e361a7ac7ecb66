UPDATE definition SET since = min(since, :now), until = min(until, :now)
WHERE since > :now OR until > :now
