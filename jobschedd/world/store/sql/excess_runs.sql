SELECT run_id, job_id, CASE WHEN cause IN ('schedule', 'catch_up', 'retry') THEN scheduled_at ELSE 0 END FROM run
WHERE job_id = :job AND scheduled_at < :below AND outcome NOT IN ('running', 'waiting')
ORDER BY scheduled_at DESC
LIMIT :most
