SELECT run_id, job_id, scheduled_at FROM run WHERE run_id < ? AND outcome NOT IN ('running', 'waiting') ORDER BY run_id LIMIT ?
