//! A partner of the demonstration: a receiver that can be taken down and brought back on the same port.

use super::StoryError;
use crate::deliver::receiver::{Received, Receiver, Reply};
use crate::deliver::webhook::Secret;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A partner, up or down, with all it received so far.
pub struct Partner {
    /// The partner's id in the registry.
    pub id: &'static str,
    secret: Secret,
    address: SocketAddr,
    receiver: Option<Receiver>,
    earlier: Vec<Received>,
    earlier_refused: u64,
}

impl Partner {
    /// Starts a partner on a loopback port that the system chooses; `secret` signs what it is sent (`whsec_…`).
    pub async fn start(id: &'static str, secret: &str) -> Result<Partner, StoryError> {
        let secret = Secret::parse(secret).map_err(|error| StoryError::Start(error.to_string()))?;
        let receiver = Receiver::start(vec![secret.clone()]).await?;
        let address = receiver.address();
        Ok(Partner { id, secret, address, receiver: Some(receiver), earlier: Vec::new(), earlier_refused: 0 })
    }

    /// The address that notifications are posted to.
    pub fn endpoint(&self) -> String {
        format!("http://{}/notifications", self.address)
    }

    /// Closes every connection and refuses new ones.
    pub async fn take_down(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            self.earlier_refused += receiver.refused();
            self.earlier.extend(receiver.stop().await);
        }
    }

    /// Listens again on the same port.
    pub async fn bring_back(&mut self) -> std::io::Result<()> {
        let taking_all = Arc::new(|_: &Received, _| Reply::status(200));
        let address = self.address.to_string();
        self.receiver = Some(Receiver::start_at(&address, vec![self.secret.clone()], taking_all).await?);
        Ok(())
    }

    /// Everything received so far, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        let now = self.receiver.as_ref().map(Receiver::received).unwrap_or_default();
        self.earlier.iter().cloned().chain(now).collect()
    }

    /// How many requests had no valid signature.
    pub fn refused(&self) -> u64 {
        self.earlier_refused + self.receiver.as_ref().map_or(0, Receiver::refused)
    }

    /// Waits until `enough` holds of what was received, or until `limit` has passed; answers whether it holds.
    pub async fn wait_until(&self, limit: Duration, enough: impl Fn(&[Received]) -> bool) -> bool {
        let started = Instant::now();
        while !enough(&self.received()) {
            if started.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }
}
