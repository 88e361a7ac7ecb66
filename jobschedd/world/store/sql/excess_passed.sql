SELECT run_id, job_id, scheduled_at FROM passed
WHERE job_id = :job AND scheduled_at < :below
ORDER BY scheduled_at DESC
LIMIT :most
