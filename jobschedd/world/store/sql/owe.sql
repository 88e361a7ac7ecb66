INSERT OR REPLACE INTO owing (job_id, first_at, last_at) VALUES (?, ?, ?)
