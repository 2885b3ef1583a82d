-- For people; null: the slug serves.
ALTER TABLE environments ADD COLUMN name TEXT;
