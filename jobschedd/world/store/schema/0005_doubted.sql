-- What a daemon that could not write may have started, of any job: none of that is started, whatever the clock does.
CREATE TABLE doubted (
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    -- It was not noted: it lies between the failure and the start of the next daemon.
    presumed INTEGER NOT NULL
);

-- It was said by rows of one job, and holds for all now. The column means nothing any more: DROP COLUMN needs SQLite 3.35.
INSERT INTO doubted SELECT DISTINCT first_at, scheduled_at, 0 FROM passed WHERE in_doubt;
DROP INDEX passed_in_doubt;
