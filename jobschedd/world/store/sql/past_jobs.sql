-- Up to where each job's instants are accounted for. What a wrong clock put later than :now does not count, nor does a
-- second attempt, which may be made after a clock was put right, of an instant that lies ahead again; nor what no
-- schedule has named.
SELECT
    definition.job_id,
    definition.digest,
    definition.terms,
    max(
        min(definition.since, :now),
        min(definition.forgotten, :now),
        coalesce((
            SELECT run.scheduled_at FROM run
            WHERE run.job_id = definition.job_id AND run.scheduled_at <= :now AND run.attempt = 1 AND run.cause IN ('schedule', 'catch_up') AND NOT run.ahead
            ORDER BY run.scheduled_at DESC LIMIT 1
        ), 0),
        coalesce((
            SELECT passed.scheduled_at FROM passed
            WHERE passed.job_id = definition.job_id AND passed.scheduled_at <= :now AND passed.cause = 'schedule' AND NOT passed.ahead
            ORDER BY passed.scheduled_at DESC LIMIT 1
        ), 0),
        -- Of a row that ends later than :now, what is not later stands.
        CASE WHEN EXISTS (
            SELECT 1 FROM passed
            WHERE passed.job_id = definition.job_id AND passed.scheduled_at > :now AND passed.first_at <= :now
            AND passed.cause = 'schedule' AND NOT passed.ahead
        ) THEN :now ELSE 0 END,
        coalesce((SELECT min(max(owing.last_at), :now) FROM owing WHERE owing.job_id = definition.job_id), 0),
        -- A clock step has given the boot another instant: whoever had the one before has had this one.
        CASE WHEN EXISTS (
            SELECT 1 FROM run
            WHERE run.job_id = definition.job_id
            AND run.scheduled_at IN (SELECT boot.instant FROM boot WHERE boot.boot_id = :boot_id)
        ) OR EXISTS (
            SELECT 1 FROM passed
            WHERE passed.job_id = definition.job_id
            AND passed.scheduled_at IN (SELECT boot.instant FROM boot WHERE boot.boot_id = :boot_id)
        ) OR EXISTS (
            SELECT 1 FROM boot
            WHERE boot.boot_id = :boot_id AND boot.instant BETWEEN 1 AND definition.forgotten
        ) THEN coalesce(:boot, 0) ELSE 0 END
    )
FROM definition
WHERE definition.until IS NULL
