//! The two column types that differ between the databases, under one name each.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::pg::data_types::PgTimestamp;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Nullable, SqlType, Text, Timestamptz};
use diesel::sqlite::Sqlite;
use uuid::Uuid;
use wire::{
    ApiKeyId, ApplicationId, AttemptId, AuditId, ContactId, DeliveryId, EndpointId, EnvironmentId, EventId,
    EventTypeId, Instant, ManagementTokenId, PlaybookId, PortalSessionId, ProjectId, RecoveryId, RejectionId,
    RouteId, RunId, SourceId, TemplateId, WorkspaceId,
};

/// A UUID: `uuid` on Postgres, a 16-byte `BLOB` on SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = diesel::sql_types::Uuid)]
#[diesel(sql_type = Binary)]
pub struct Uid(pub Uuid);

/// A time: `timestamptz` on Postgres, `INTEGER` microseconds on SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamptz)]
#[diesel(sql_type = BigInt)]
pub struct Stamp(pub Instant);

/// Postgres counts from 2000-01-01, 946,684,800 s after the Unix epoch.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

impl ToSql<diesel::sql_types::Uuid, Pg> for Uid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <Uuid as ToSql<diesel::sql_types::Uuid, Pg>>::to_sql(&self.0, out)
    }
}

impl FromSql<diesel::sql_types::Uuid, Pg> for Uid {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <Uuid as FromSql<diesel::sql_types::Uuid, Pg>>::from_sql(value).map(Self)
    }
}

impl ToSql<Binary, Sqlite> for Uid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl FromSql<Binary, Sqlite> for Uid {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value)?;
        Ok(Self(Uuid::from_slice(&bytes)?))
    }
}

impl ToSql<Timestamptz, Pg> for Stamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let stamp = PgTimestamp(self.0.unix_micros().saturating_sub(POSTGRES_EPOCH_MICROS));
        <PgTimestamp as ToSql<Timestamptz, Pg>>::to_sql(&stamp, &mut out.reborrow())
    }
}

impl FromSql<Timestamptz, Pg> for Stamp {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let PgTimestamp(micros) = <PgTimestamp as FromSql<Timestamptz, Pg>>::from_sql(value)?;
        Ok(Self(Instant::from_unix_micros(
            micros.saturating_add(POSTGRES_EPOCH_MICROS),
        )))
    }
}

impl ToSql<BigInt, Sqlite> for Stamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.unix_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<BigInt, Sqlite> for Stamp {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(value)?;
        Ok(Self(Instant::from_unix_micros(micros)))
    }
}

/// Between which ids, without the second, everything lies that was made of the same millisecond as `id` was: an event has its
/// deliveries there, whose ids begin with its time.
///
/// That finds the deliveries of an event. An index by event would be written whenever one of them changes its state.
pub(crate) fn made_between(id: Uid) -> (Uid, Uid) {
    let millis = id.0.as_u128() >> 80;
    (
        Uid(Uuid::from_u128(millis << 80)),
        Uid(Uuid::from_u128((millis + 1) << 80)),
    )
}

/// A text column that holds an id checked when it was written.
#[derive(Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct StoredText(String);

impl<DB: Backend> FromSql<Text, DB> for StoredText
where
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(value).map(Self)
    }
}

/// A nullable column of a type of ours: `Option` itself is foreign, so it cannot be converted from.
#[derive(Debug, FromSqlRow)]
pub struct Maybe<T>(Option<T>);

impl<DB: Backend, ST, T> FromSql<Nullable<ST>, DB> for Maybe<T>
where
    ST: SqlType<IsNull = diesel::sql_types::is_nullable::NotNull>,
    T: FromSql<ST, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        T::from_sql(value).map(|value| Self(Some(value)))
    }

    fn from_nullable_sql(value: Option<DB::RawValue<'_>>) -> deserialize::Result<Self> {
        value.map(T::from_sql).transpose().map(Self)
    }
}

macro_rules! recorded_ids {
    ($($id:ty),+) => {
        $(impl From<Uid> for $id {
            fn from(uid: Uid) -> Self {
                Self::from_uuid(uid.0)
            }
        }

        impl From<$id> for Uid {
            fn from(id: $id) -> Self {
                Self(id.uuid())
            }
        }

        impl From<Maybe<Uid>> for Option<$id> {
            fn from(uid: Maybe<Uid>) -> Self {
                uid.0.map(<$id>::from)
            }
        })+
    };
}
recorded_ids!(
    EventId,
    DeliveryId,
    AttemptId,
    RunId,
    RejectionId,
    RecoveryId,
    AuditId
);

macro_rules! configured_ids {
    ($($id:ty),+) => {
        $(impl From<StoredText> for $id {
            fn from(text: StoredText) -> Self {
                Self::from_stored(text.0)
            }
        }

        impl From<Maybe<StoredText>> for Option<$id> {
            fn from(text: Maybe<StoredText>) -> Self {
                text.0.map(<$id>::from)
            }
        })+
    };
}
configured_ids!(
    WorkspaceId,
    EnvironmentId,
    SourceId,
    EndpointId,
    RouteId,
    PlaybookId,
    ManagementTokenId,
    ApiKeyId,
    ApplicationId,
    ContactId,
    EventTypeId,
    PortalSessionId,
    ProjectId,
    TemplateId
);

impl From<Maybe<Uid>> for Option<Uuid> {
    fn from(uid: Maybe<Uid>) -> Self {
        uid.0.map(|uid| uid.0)
    }
}

impl From<Maybe<Stamp>> for Option<Instant> {
    fn from(stamp: Maybe<Stamp>) -> Self {
        stamp.0.map(|stamp| stamp.0)
    }
}

impl From<Stamp> for Instant {
    fn from(stamp: Stamp) -> Self {
        stamp.0
    }
}

impl From<Instant> for Stamp {
    fn from(at: Instant) -> Self {
        Self(at)
    }
}
