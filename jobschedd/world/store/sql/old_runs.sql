SELECT run_id, job_id, CASE WHEN cause IN ('schedule', 'catch_up', 'retry') THEN scheduled_at ELSE 0 END FROM run WHERE run_id < ? AND outcome NOT IN ('running', 'waiting') ORDER BY run_id LIMIT ?
