SELECT since FROM paused WHERE job_id = ?
