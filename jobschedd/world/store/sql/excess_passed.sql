SELECT run_id, job_id, CASE WHEN cause = 'schedule' THEN scheduled_at ELSE 0 END FROM passed
WHERE job_id = :job AND scheduled_at < :below
ORDER BY scheduled_at DESC
LIMIT :most
