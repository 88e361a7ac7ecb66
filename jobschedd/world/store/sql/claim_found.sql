-- What came before it may have no outcome yet: it does not stand for that. To `ahead` it is as one of a clock that was set back.
UPDATE run SET ahead = 1 WHERE run_id = ?
