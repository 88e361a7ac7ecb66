-- All that lies between is to be decided again.
UPDATE fact SET value = min(value, :now) WHERE name = 'seen_at'
