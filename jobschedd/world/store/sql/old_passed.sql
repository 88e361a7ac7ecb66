SELECT run_id, job_id, scheduled_at FROM passed WHERE run_id < ? ORDER BY run_id LIMIT ?
