DELETE FROM passed WHERE first_at > ? AND outcome IN ('missed', 'coalesced')
