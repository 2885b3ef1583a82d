-- How many passes in a row sent nothing, as all that was left waited for queues to be short.
ALTER TABLE recoveries ADD COLUMN fruitless INTEGER NOT NULL DEFAULT 0;
