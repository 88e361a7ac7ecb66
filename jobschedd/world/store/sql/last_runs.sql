-- Each by its index: what a job has been through does not count.
SELECT run_id, job_id, scheduled_at, NULL, NULL, attempt, definition, cause, outcome, reason, pid, started_at, ended_at,
    exit_code, signal, cpu_usec, memory_peak, host, uid, labels
FROM run
WHERE run_id IN (
    SELECT (SELECT newest.run_id FROM run AS newest WHERE newest.job_id = job.value ORDER BY newest.scheduled_at DESC, newest.attempt DESC LIMIT 1)
    FROM json_each(:jobs) AS job
)
