-- It was presumed up to where a clock stood that was wrong.
UPDATE doubted SET last_at = max(first_at, :now) WHERE presumed AND last_at > :now
