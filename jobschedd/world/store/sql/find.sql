-- What came before it may have no outcome yet: it does not stand for that.
UPDATE run SET ahead = 1 WHERE run_id = ?
