UPDATE definition SET until = max(since, ?) WHERE job_id = ? AND until IS NULL
