-- Who asked for a start that no schedule asked for.
ALTER TABLE run ADD COLUMN uid INTEGER;
ALTER TABLE passed ADD COLUMN uid INTEGER;
