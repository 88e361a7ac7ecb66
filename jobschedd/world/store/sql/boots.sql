SELECT boot_id, instant FROM boot WHERE instant > 0 ORDER BY place
