-- wait
INSERT INTO run (run_id, job_id, scheduled_at, attempt, definition, cause, outcome, reason, synchronised, host, uid, labels,
    waits_since, waits_until, variables)
VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id) DO UPDATE SET waits_since = excluded.waits_since WHERE outcome = 'waiting'
ON CONFLICT DO NOTHING
