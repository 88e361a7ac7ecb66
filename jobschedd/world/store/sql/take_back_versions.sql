UPDATE definition SET since = min(since, :now), until = min(until, :now), forgotten = min(forgotten, :now)
WHERE since > :now OR until > :now OR forgotten > :now
