DELETE FROM passed WHERE run_id = ?
