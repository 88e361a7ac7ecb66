SELECT first_at, last_at FROM owing WHERE job_id = ? ORDER BY first_at
