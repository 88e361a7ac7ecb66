SELECT first_at, scheduled_at, count FROM passed WHERE job_id = ? AND cause = 'schedule' ORDER BY first_at
