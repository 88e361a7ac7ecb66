-- The end of a row need not be an instant: a row says that what lies in it did not run.
UPDATE passed SET scheduled_at = :now, count = NULL
WHERE run_id >= :oldest AND scheduled_at > :now AND cause = 'schedule'
