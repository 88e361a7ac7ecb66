-- claim
-- One that waits has its row already, and its variables in it.
INSERT INTO run (run_id, job_id, scheduled_at, attempt, definition, cause, outcome, synchronised, host, uid, labels, variables)
VALUES (?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)
ON CONFLICT (run_id) DO UPDATE SET outcome = 'running', reason = NULL WHERE outcome = 'waiting'
ON CONFLICT DO NOTHING
