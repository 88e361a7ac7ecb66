DELETE FROM owing WHERE job_id = ?
