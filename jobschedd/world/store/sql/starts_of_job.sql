SELECT scheduled_at, attempt, started_at, cause IN ('schedule', 'catch_up'), ahead
FROM run
WHERE job_id = ? AND cause <> 'manual'
ORDER BY scheduled_at
