INSERT INTO run (run_id, job_id, scheduled_at, attempt, definition, cause, outcome, synchronised, host)
VALUES (?, ?, ?, ?, ?, ?, 'running', ?, ?)
ON CONFLICT DO NOTHING
