-- What was written later than :now has a later run id. A little earlier: claims are written ahead.
DELETE FROM passed WHERE run_id >= :oldest AND first_at > :now AND cause = 'schedule'
