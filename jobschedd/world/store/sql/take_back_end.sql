-- The end of a row need not be an instant: a row says that what lies in it did not run.
UPDATE passed SET scheduled_at = ?1, count = NULL
WHERE scheduled_at > ?1 AND outcome IN ('missed', 'coalesced')
