UPDATE run SET pid = ?, started_at = ? WHERE run_id = ?
