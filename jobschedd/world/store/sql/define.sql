INSERT INTO definition (job_id, digest, path, terms, delay, since) VALUES (?, ?, ?, ?, ?, ?)
