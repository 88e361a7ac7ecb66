SELECT run_id, job_id, scheduled_at, first_at, count, 1, definition, cause, outcome, reason, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, host, uid, labels
FROM passed
WHERE job_id = :job AND scheduled_at >= :since AND first_at <= :until AND (:outcome IS NULL OR outcome = :outcome)
ORDER BY scheduled_at DESC
LIMIT :most
