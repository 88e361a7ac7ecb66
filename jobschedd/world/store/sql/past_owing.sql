SELECT job_id, first_at, last_at FROM owing ORDER BY job_id, first_at
