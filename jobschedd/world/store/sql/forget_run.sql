DELETE FROM run WHERE run_id = ?
