SELECT job_id FROM paused
