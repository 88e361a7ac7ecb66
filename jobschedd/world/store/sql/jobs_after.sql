SELECT job_id FROM definition WHERE job_id > ? AND until IS NULL ORDER BY job_id LIMIT ?
