SELECT instant FROM boot ORDER BY instant
