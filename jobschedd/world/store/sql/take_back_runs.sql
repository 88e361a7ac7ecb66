UPDATE run SET ahead = 1 WHERE run_id >= :oldest AND scheduled_at > :now
