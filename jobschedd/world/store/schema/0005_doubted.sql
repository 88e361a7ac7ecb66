-- What a daemon that could not write may have started, of any job: none of that is started, whatever the clock does.
CREATE TABLE doubted (
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    -- It was not noted: it lies between the failure and the start of the next daemon.
    presumed INTEGER NOT NULL
);

-- It was said by the rows of what did not run; in_doubt means nothing any more. (Columns go from SQLite 3.35 on.)
INSERT INTO doubted SELECT DISTINCT first_at, scheduled_at, 0 FROM passed WHERE in_doubt;
DROP INDEX passed_in_doubt;
