SELECT run_id, pid, started_at, ended_at FROM run
WHERE job_id = :job AND scheduled_at <= :at AND (started_at IS NOT NULL OR outcome = 'running')
ORDER BY scheduled_at DESC
LIMIT 20
