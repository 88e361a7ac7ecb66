-- What was started ahead of its time is looked for at each start of the daemon.
CREATE INDEX run_ahead ON run (job_id, scheduled_at) WHERE ahead;

-- Some of these instants may have been started: they do not come again, whatever the clock does.
ALTER TABLE passed ADD COLUMN in_doubt INTEGER NOT NULL DEFAULT 0;
CREATE INDEX passed_in_doubt ON passed (scheduled_at) WHERE in_doubt;

-- The labels of the job, an object; none: NULL.
ALTER TABLE run ADD COLUMN labels TEXT;
ALTER TABLE passed ADD COLUMN labels TEXT;
