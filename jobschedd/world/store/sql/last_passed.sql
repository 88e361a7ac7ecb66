SELECT run_id, job_id, scheduled_at, first_at, count, 1, definition, cause, outcome, reason, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, host, uid, labels
FROM passed
WHERE run_id IN (
    SELECT (SELECT newest.run_id FROM passed AS newest WHERE newest.job_id = job.value ORDER BY newest.scheduled_at DESC LIMIT 1)
    FROM json_each(:jobs) AS job
)
