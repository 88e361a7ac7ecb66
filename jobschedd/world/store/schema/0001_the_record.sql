-- Instants are microseconds since the epoch, UTC; durations microseconds; sizes bytes.

-- Single facts: seen_at.
CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- The versions of each job, each with the time it was in force.
CREATE TABLE definition (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    path TEXT NOT NULL,
    terms TEXT NOT NULL,
    delay INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    -- Up to here rows may have been deleted by age or number.
    forgotten INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX definition_in_force ON definition (job_id) WHERE until IS NULL;
CREATE INDEX definition_of_job ON definition (job_id, since);

-- Starts: the claim, which is there before the start, and what became of it. Run ids sort by time.
CREATE TABLE run (
    run_id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL,
    scheduled_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    definition TEXT NOT NULL,
    cause TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    pid INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    cpu_usec INTEGER,
    memory_peak INTEGER,
    -- Written by a clock that was set back to before this instant since: it has its time still to come.
    ahead INTEGER NOT NULL DEFAULT 0,
    synchronised INTEGER NOT NULL,
    host TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX run_claim ON run (job_id, scheduled_at, attempt);
CREATE INDEX run_open ON run (job_id) WHERE outcome = 'running';

-- Rows of instants that did not become runs.
CREATE TABLE passed (
    run_id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    count INTEGER,
    definition TEXT NOT NULL,
    cause TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    ahead INTEGER NOT NULL DEFAULT 0,
    synchronised INTEGER NOT NULL,
    host TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX passed_of_job ON passed (job_id, scheduled_at);

-- What is still to be caught up.
CREATE TABLE owing (
    job_id TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, first_at)
) WITHOUT ROWID;

CREATE TABLE paused (
    job_id TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;

-- The instants that @reboot has had. The newest of a boot counts; a clock step gives it another one.
CREATE TABLE boot (
    boot_id TEXT NOT NULL,
    instant INTEGER NOT NULL,
    place INTEGER PRIMARY KEY
);
