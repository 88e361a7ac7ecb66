UPDATE definition SET forgotten = max(forgotten, ?) WHERE job_id = ?
