//! A watched folder: a source leaves files, the gateway takes each of them in exactly once.
//!
//! ```text
//! inbox/alerts.csv ─ settled ─ rename ─► inbox/work/<pick-up>_alerts.csv ─ each record ─► Exchange::submit
//!                                              └ <pick-up>_alerts.csv.result.ndjson: a line for each record, as it is committed
//! all taken ─► inbox/done/<pick-up>_alerts.csv  and its result        any refused ─► inbox/failed/…  and its result
//! ```
//!
//! Only whole files are taken: one that has not changed for the time that the settings ask for and whose name does not
//! say that it is being written (`.part`, `.tmp`, `.filepart`, `.partial`, `.crdownload`, `~` at the end, `.` at the
//! beginning). The pick-up is a rename, so that of two gateways one has the file. After a crash the files in `work` are
//! gone on with where their results end; the record that was under way is submitted again under the same key (pick-up
//! and number) and recognised.

mod inbox;
mod journal;
pub mod settings;
mod take;

use crate::exchange::Exchange;
use crate::govern::{Caller, Role};
use inbox::Inbox;
use settings::{FolderSettings, WatchedFolder};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How soon a wait notices the end.
const SLICE: Duration = Duration::from_millis(20);

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Its source is not registered.
    #[error("the folder's source `{0}` is not registered")]
    UnknownSource(String),
    /// It, or a folder inside it, cannot be made or read.
    #[error("`{}` cannot be used: {error}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// What the handling of a folder's files shares.
struct Desk {
    exchange: Arc<Exchange>,
    caller: Caller,
    source: String,
    settings: FolderSettings,
    shutdown: CancellationToken,
    runtime: Handle,
}

impl Desk {
    /// Waits, but not beyond the end.
    fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.shutdown.is_cancelled() {
            match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(SLICE)),
                _ => return,
            }
        }
    }
}

/// A folder that is ready to be watched.
pub struct Watch {
    inbox: Inbox,
    desk: Desk,
}

/// Makes the folders; the error says which one cannot be used, or that the source is not registered.
pub fn open(
    watched: &WatchedFolder,
    exchange: Arc<Exchange>,
    settings: FolderSettings,
    shutdown: CancellationToken,
) -> Result<Watch, FolderError> {
    let Some(organisation) = exchange.organisation_of(&watched.source) else {
        return Err(FolderError::UnknownSource(watched.source.clone()));
    };
    let inbox = Inbox::open(&watched.path)?;
    let caller = Caller {
        credential: format!("folder:{}", watched.source),
        organisation,
        roles: vec![Role::Source],
        partner: None,
        source: Some(watched.source.clone()),
        address: String::new(),
    };
    let source = watched.source.clone();
    let desk = Desk { exchange, caller, source, settings, shutdown, runtime: Handle::current() };
    Ok(Watch { inbox, desk })
}

impl Watch {
    /// Takes files until the shutdown; a file under way is left at the end of a record and gone on with at the next
    /// start. Answers whether it ended in order.
    pub async fn serve(self) -> bool {
        // Files are read by blocking calls, so all of it runs where those may.
        tokio::task::spawn_blocking(move || self.run()).await.is_ok()
    }

    fn run(mut self) {
        let Watch { inbox, desk } = &mut self;
        for taken in inbox.unfinished() {
            take::take_in(desk, inbox, &taken);
        }
        while !desk.shutdown.is_cancelled() {
            let ready = match inbox.ready(desk.settings.settle(), Instant::now()) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(source = %desk.source, error = %error, "a watched folder cannot be read");
                    Vec::new()
                }
            };
            for name in ready {
                if desk.shutdown.is_cancelled() {
                    return;
                }
                match inbox.pick_up(&name) {
                    Ok(Some(taken)) => take::take_in(desk, inbox, &taken),
                    // Another gateway, or a person, had it first.
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(source = %desk.source, error = %error, "a file cannot be picked up");
                    }
                }
            }
            desk.pause(desk.settings.poll());
        }
    }
}
