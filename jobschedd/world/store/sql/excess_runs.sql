SELECT run_id, job_id, scheduled_at FROM run
WHERE job_id = :job AND scheduled_at < :below AND outcome NOT IN ('running', 'waiting')
ORDER BY scheduled_at DESC
LIMIT :most
