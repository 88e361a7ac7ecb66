SELECT value FROM fact WHERE name = 'seen_at'
