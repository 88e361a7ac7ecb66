INSERT INTO boot (boot_id, instant) VALUES (?, ?)
