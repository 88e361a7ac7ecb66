UPDATE run
SET outcome = ?, reason = ?, ended_at = ?, exit_code = ?, signal = ?, cpu_usec = ?, memory_peak = ?,
    variables = NULL
WHERE run_id = ? AND outcome IN ('running', 'waiting')
