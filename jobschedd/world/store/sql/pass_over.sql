INSERT OR REPLACE INTO passed
    (run_id, job_id, first_at, scheduled_at, count, definition, cause, outcome, reason, synchronised, host, uid, labels)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
