DELETE FROM paused WHERE job_id = ?
