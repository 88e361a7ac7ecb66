-- In the index alone.
SELECT scheduled_at FROM run WHERE job_id = :job AND scheduled_at < :below ORDER BY scheduled_at DESC LIMIT 1 OFFSET :more
