-- In the index alone.
SELECT scheduled_at FROM passed WHERE job_id = :job AND scheduled_at < :below ORDER BY scheduled_at DESC LIMIT 1 OFFSET :more
