SELECT scheduled_at, attempt, started_at FROM run WHERE job_id = ? AND cause <> 'manual' ORDER BY scheduled_at
