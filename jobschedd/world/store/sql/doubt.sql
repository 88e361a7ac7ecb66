INSERT INTO doubted (first_at, last_at, presumed) VALUES (?, ?, ?)
