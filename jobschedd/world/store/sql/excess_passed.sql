SELECT run_id, job_id, scheduled_at FROM passed WHERE job_id = ? ORDER BY scheduled_at DESC LIMIT ? OFFSET ?
