INSERT OR REPLACE INTO fact (name, value) VALUES ('seen_at', ?)
