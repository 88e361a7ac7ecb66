DELETE FROM owing WHERE first_at > :now
