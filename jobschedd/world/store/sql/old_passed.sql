SELECT run_id, job_id, CASE WHEN cause = 'schedule' THEN scheduled_at ELSE 0 END FROM passed WHERE run_id < ? ORDER BY run_id LIMIT ?
