DELETE FROM definition WHERE until < ?
