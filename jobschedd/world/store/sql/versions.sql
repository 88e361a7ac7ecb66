SELECT job_id, digest, path, terms, delay, since, until, forgotten
FROM definition
WHERE job_id = :job OR :job IS NULL
ORDER BY job_id, since, id
