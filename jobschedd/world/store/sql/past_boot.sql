SELECT instant FROM boot WHERE boot_id = ? ORDER BY place DESC LIMIT 1
