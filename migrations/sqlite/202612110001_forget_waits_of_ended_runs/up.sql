-- What an ended run waits for is given to nobody. Runs that a switch ended kept their waits.
DELETE FROM run_waits WHERE EXISTS (
    SELECT 1 FROM runs WHERE runs.id = run_waits.run_id AND runs.state IN ('completed', 'faulted', 'cancelled')
);
