-- past_waiting
SELECT run_id, job_id, scheduled_at, attempt, definition, cause, synchronised, uid, labels, waits_since, waits_until, reason, variables,
    (SELECT outcome FROM run AS earlier
     WHERE earlier.job_id = run.job_id AND earlier.scheduled_at = run.scheduled_at AND earlier.attempt = run.attempt - 1)
FROM run INDEXED BY run_waiting
WHERE outcome = 'waiting'
ORDER BY run_id
