SELECT run_id, job_id, scheduled_at, NULL, NULL, attempt, definition, cause, outcome, reason, pid, started_at, ended_at,
    exit_code, signal, cpu_usec, memory_peak, host, uid, labels
FROM run
WHERE run_id = :run
