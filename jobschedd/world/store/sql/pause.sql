INSERT OR REPLACE INTO paused (job_id, since) VALUES (?, ?)
