SELECT first_at, last_at, presumed FROM doubted
