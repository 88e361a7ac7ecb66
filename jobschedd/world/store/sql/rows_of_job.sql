SELECT first_at, scheduled_at, count FROM passed WHERE job_id = :job
UNION ALL
SELECT first_at, last_at, NULL FROM owing WHERE job_id = :job
ORDER BY 1
