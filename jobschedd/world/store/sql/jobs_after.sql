-- The jobs that have rows, one step through an index each: with a hundred thousand jobs most have none.
WITH RECURSIVE next (job_id) AS (
    SELECT min(job_id) FROM (
        SELECT min(job_id) AS job_id FROM run WHERE job_id > :after
        UNION ALL SELECT min(job_id) FROM passed WHERE job_id > :after
    )
    UNION ALL
    SELECT (
        SELECT min(job_id) FROM (
            SELECT min(job_id) AS job_id FROM run WHERE job_id > next.job_id
            UNION ALL SELECT min(job_id) FROM passed WHERE job_id > next.job_id
        )
    )
    FROM next WHERE next.job_id IS NOT NULL
)
SELECT job_id FROM next WHERE job_id IS NOT NULL LIMIT :most
