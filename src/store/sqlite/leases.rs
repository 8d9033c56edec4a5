//! Leases on subscriptions: who numbers, sends and records for them.

use super::fault::Fault;
use super::known::unsigned;
use super::rows::micros;
use crate::store::{LeaseRequest, Leased};
use sqlx::{Row, SqliteConnection};

/// Renews what the worker leads and takes over what nobody leads. A takeover has a new fence.
pub async fn take(connection: &mut SqliteConnection, request: &LeaseRequest) -> Result<Vec<Leased>, Fault> {
    let rows = sqlx::query(TAKE)
        .bind(request.owner.as_str())
        .bind(micros(request.now))
        .bind(micros(request.until))
        .bind(i64::try_from(request.limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    let mut leased = Vec::with_capacity(rows.len());
    for row in rows {
        let fence = unsigned(row.try_get(1)?);
        leased.push(Leased { subscription: row.try_get(0)?, fence, until: request.until });
    }
    leased.sort_by(|one, other| one.subscription.cmp(&other.subscription));
    Ok(leased)
}

/// Gives all leases of a worker back.
pub async fn release(connection: &mut SqliteConnection, owner: &str) -> Result<(), Fault> {
    sqlx::query("UPDATE subscription SET lease_owner = NULL, lease_until = 0 WHERE lease_owner = ?1")
        .bind(owner)
        .execute(connection)
        .await?;
    Ok(())
}

const TAKE: &str = "UPDATE subscription SET fence = fence + (lease_owner IS NOT ?1), lease_owner = ?1, lease_until = ?3 \
    WHERE id IN (SELECT id FROM subscription WHERE lease_owner IS NULL OR lease_owner = ?1 OR lease_until <= ?2 \
    ORDER BY lease_owner IS ?1 DESC, id LIMIT ?4) RETURNING id, fence";
