UPDATE owing SET last_at = :now WHERE last_at > :now
