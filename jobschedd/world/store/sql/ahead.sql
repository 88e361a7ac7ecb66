-- What a wrong clock has had start before its time. What was written later than :now has a later run id.
SELECT job_id, scheduled_at FROM run INDEXED BY run_ahead
WHERE ahead AND attempt = 1 AND cause IN ('schedule', 'catch_up')
UNION ALL
SELECT job_id, scheduled_at FROM run NOT INDEXED
WHERE run_id >= :oldest AND scheduled_at > :now AND attempt = 1 AND cause IN ('schedule', 'catch_up')
