//! Tables as years would fill them, in minutes.

use super::Bench;
use anyhow::Result;
use tokio_postgres::Client;

/// Numbers in one statement.
const CHUNK: u64 = 50_000;

/// Runs `rows` for the numbers after `from` up to `to`, a chunk at a time: `$first` and `$last` stand for a chunk's. It may
/// call [`KEYS`].
pub(super) async fn fill(
    bench: &Bench<'_>,
    client: &Client,
    (from, to): (u64, u64),
    rows: &str,
) -> Result<()> {
    // Theirs is not the time that counts.
    client.batch_execute("SET synchronous_commit = off").await?;
    client.batch_execute(KEYS).await?;
    let mut filled = from;
    while filled < to {
        bench
            .progress
            .on(&format!("filling the tables, {filled} of {to}"));
        let last = (filled + CHUNK).min(to);
        let rows = rows
            .replace("$first", &(filled + 1).to_string())
            .replace("$last", &last.to_string());
        client.batch_execute(&rows).await?;
        filled = last;
    }
    client.batch_execute("SET synchronous_commit = on").await?;
    Ok(())
}

/// `key_of`: a UUIDv7 (RFC 9562 §5.7) of a time. `delivery_of`: a UUIDv8 with the time of an event's key, as deliveries have.
const KEYS: &str = "CREATE OR REPLACE FUNCTION pg_temp.key_of(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
        || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;
CREATE OR REPLACE FUNCTION pg_temp.delivery_of(event uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (substr(replace(event::text, '-', ''), 1, 12) || '8' || substr(md5(random()::text), 1, 3)
        || '8' || substr(md5(random()::text), 1, 15))::uuid
$$";
