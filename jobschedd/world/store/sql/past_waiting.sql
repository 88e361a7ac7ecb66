-- past_waiting
SELECT run_id, job_id, scheduled_at, attempt, definition, cause, synchronised, uid, waits_since, waits_until, reason, variables
FROM run INDEXED BY run_waiting
WHERE outcome = 'waiting'
ORDER BY run_id
