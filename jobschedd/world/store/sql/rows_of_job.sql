SELECT first_at, scheduled_at, count, definition FROM passed WHERE job_id = ? AND cause = 'schedule'
