SELECT run_id, job_id, scheduled_at, attempt, definition, cause, synchronised, uid, labels, pid, started_at, variables
FROM run INDEXED BY run_open
WHERE outcome = 'running'
ORDER BY run_id
