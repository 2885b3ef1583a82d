-- Attempts are asked for by their delivery, and never by their own id alone. One index for the key and that question is written
-- with each attempt instead of two.
ALTER TABLE attempts DROP CONSTRAINT attempts_pkey;
ALTER TABLE attempts ADD PRIMARY KEY (delivery_id, id);
DROP INDEX attempts_delivery_idx;
