DELETE FROM doubted WHERE last_at < ?
