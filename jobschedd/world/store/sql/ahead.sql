-- What a wrong clock has had start before its time, or may have. What was written later than :now has a later run id.
SELECT job_id, scheduled_at, scheduled_at FROM run
WHERE ahead AND attempt = 1 AND cause IN ('schedule', 'catch_up')
UNION
SELECT job_id, scheduled_at, scheduled_at FROM run
WHERE run_id >= :oldest AND scheduled_at > :now AND attempt = 1 AND cause IN ('schedule', 'catch_up')
UNION
SELECT job_id, first_at, scheduled_at FROM passed WHERE in_doubt AND (ahead OR scheduled_at > :now)
ORDER BY job_id, scheduled_at
