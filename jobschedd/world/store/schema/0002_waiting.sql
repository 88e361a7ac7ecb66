-- Runs that are claimed and wait for their turn: from when on, until when, and what their environment has beside the job's.
ALTER TABLE run ADD COLUMN waits_since INTEGER;
ALTER TABLE run ADD COLUMN waits_until INTEGER;
ALTER TABLE run ADD COLUMN variables TEXT;
CREATE INDEX run_waiting ON run (job_id) WHERE outcome = 'waiting';
