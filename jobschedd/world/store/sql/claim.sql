-- claim
-- One that waits has its row already.
INSERT INTO run (run_id, job_id, scheduled_at, attempt, definition, cause, outcome, synchronised, host, uid)
VALUES (?, ?, ?, ?, ?, ?, 'running', ?, ?, ?)
ON CONFLICT (run_id) DO UPDATE SET outcome = 'running', reason = NULL, variables = NULL WHERE outcome = 'waiting'
ON CONFLICT DO NOTHING
