//! Opening a file: recognised, locked, brought up to date, then given its writer and its readers.

use super::readers::Readers;
use super::shared::Shared;
use super::writer::Writer;
use super::{SqliteStore, checkpoint, fault, schema, upkeep};
use crate::store::{Settings, StoreError};
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How far the clock may lie behind the file's latest record when the gateway starts.
const START_TOLERANCE: SignedDuration = SignedDuration::from_secs(120);
/// Files up to this size are read through and checked when they are opened.
const CHECKED_AT_START_BYTES: u64 = 32 * 1024 * 1024;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// A commit returns after the disk has it. The only setting that keeps the promise of an acknowledgement.
    #[default]
    Full,
    /// A commit returns before the disk has it: for tests, and to show that the durability tests notice.
    Off,
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    path: PathBuf,
    synchronous: Synchronous,
    readers: u32,
    queue: usize,
    retention: Duration,
    busy_timeout: Duration,
    accept_clock_step: bool,
    max_pages: Option<u32>,
}

impl Options {
    /// A durable store in the file `path`, which is created when there is none.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::Full,
            readers: 4,
            queue: 4096,
            retention: Duration::from_secs(14 * 24 * 3600),
            busy_timeout: Duration::from_secs(5),
            accept_clock_step: false,
            max_pages: None,
        }
    }

    /// A durable store in the file `path`, used as the settings say.
    pub fn of(path: impl Into<PathBuf>, settings: &Settings) -> Self {
        Self::at(path)
            .readers(settings.readers)
            .key_retention(Duration::from_secs(u64::from(settings.key_retention_days) * 24 * 3600))
            .busy_timeout(Duration::from_secs(settings.busy_timeout_seconds))
            .accept_clock_step(settings.accept_clock_step)
    }

    /// Whether commits wait for the disk.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How many reads may run at a time.
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// For how long idempotency keys and their answers are kept; at least 7 days.
    pub fn key_retention(mut self, retention: Duration) -> Self {
        self.retention = retention.max(Duration::from_secs(7 * 24 * 3600));
        self
    }

    /// How long to wait for a lock that another program holds on the database.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Accepts, for this start, that the clock lies behind what the file has recorded.
    pub fn accept_clock_step(mut self, accept: bool) -> Self {
        self.accept_clock_step = accept;
        self
    }

    /// The most pages of 4096 bytes that the database may have; beyond it the disk counts as full.
    pub fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }

    fn writer(&self) -> SqliteConnectOptions {
        let synchronous = match self.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Off => SqliteSynchronous::Off,
        };
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(self.busy_timeout)
            .statement_cache_capacity(256)
            .pragma("wal_autocheckpoint", "0")
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-24576")
            .disable_statement_logging();
        match self.max_pages {
            Some(pages) => options.pragma("max_page_count", pages.to_string()),
            None => options,
        }
    }

    fn reader(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .foreign_keys(true)
            .busy_timeout(self.busy_timeout)
            .pragma("cache_size", "-2048")
            .disable_statement_logging()
    }
}

impl SqliteStore {
    /// Opens the store, creating the file when there is none; `now` is held against the latest time in the file.
    ///
    /// Errors: [`StoreError::InUse`] when another gateway has it, [`StoreError::Foreign`], [`StoreError::Newer`],
    /// [`StoreError::Altered`], [`StoreError::Damaged`], [`StoreError::Engine`], [`StoreError::Clock`], and the
    /// states of the disk. A file that is refused is left as it was.
    pub async fn open(options: Options, now: Timestamp) -> Result<Self, StoreError> {
        let known = schema::recognise(&options.path)?;
        let lock = lock(&options.path)?;
        let mut connection = if known {
            connect(&options).await?
        } else {
            create(&options).await?;
            connect(&options).await?
        };
        schema::check_engine(&mut connection).await?;
        schema::bring_up_to_date(&mut connection, &options.path).await?;
        check_content(&mut connection, &options.path).await?;

        let shared = Arc::new(Shared::new(lock));
        let (requests, queue) = mpsc::channel(options.queue);
        let mut writer = Writer::prepare(connection, queue, Arc::clone(&shared), options.retention).await?;
        if options.accept_clock_step {
            writer.accept_clock(now);
        } else if now + START_TOLERANCE < writer.latest() {
            return Err(StoreError::Clock { now, last: writer.latest() });
        }
        let readers = Readers::open(options.reader(), options.readers).await?;
        let checkpointer = options.writer().busy_timeout(Duration::from_millis(50)).connect().await?;
        let checkpointer = tokio::spawn(checkpoint::run(checkpointer, Arc::clone(&shared)));
        spawn_writer(writer)?;
        let checkpointer = tokio::sync::Mutex::new(Some(checkpointer));
        Ok(Self { path: options.path, readers, requests, shared, checkpointer })
    }

    /// Opens an existing store for reading only, also while a gateway has it open. Every commit is refused.
    ///
    /// Errors: as [`open`](Self::open), and [`StoreError::File`] when there is no such file.
    pub async fn open_read_only(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let options = Options::at(path);
        if !schema::recognise(&options.path)? {
            let reason = "there is no database in it".to_owned();
            return Err(StoreError::File { path: options.path, reason });
        }
        let mut connection = options.reader().connect().await?;
        schema::check_engine(&mut connection).await?;
        schema::check(&mut connection, &options.path).await?;
        connection.close().await?;
        let readers = Readers::open(options.reader(), options.readers).await?;
        let (requests, _) = mpsc::channel(1);
        let checkpointer = tokio::sync::Mutex::new(None);
        Ok(Self { path: options.path, readers, requests, shared: Arc::new(Shared::new(None)), checkpointer })
    }
}

/// Gives the writer a thread of its own. Every statement is a journey to the database's thread and back; on the threads
/// that serve requests each way back would queue behind whatever else is to be done there.
fn spawn_writer(writer: Writer) -> Result<(), StoreError> {
    let failed =
        |error: std::io::Error| StoreError::Other { reason: format!("the writer's thread: {error}") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
    let work = move || runtime.block_on(writer.run());
    std::thread::Builder::new().name("sgw-writer".to_owned()).spawn(work).map_err(failed)?;
    Ok(())
}

async fn connect(options: &Options) -> Result<SqliteConnection, StoreError> {
    let mut connection = options.writer().connect().await?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut connection).await?;
    if mode != "wal" {
        let reason = "the file system does not support a write-ahead log".to_owned();
        return Err(StoreError::File { path: options.path.clone(), reason });
    }
    Ok(connection)
}

/// Creates the file, readable by its owner only, with its tables; the directory's entry is synced as well.
async fn create(options: &Options) -> Result<(), StoreError> {
    let path = &options.path;
    private()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| fault::file(path, &error))?;
    let journal = options.writer().journal_mode(SqliteJournalMode::Delete);
    let mut connection = journal.connect().await?;
    schema::check_engine(&mut connection).await?;
    schema::create(&mut connection).await?;
    connection.close().await?;
    let directory = directory(path);
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| fault::file(directory, &error))
}

async fn check_content(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let size = std::fs::metadata(path).map_err(|error| fault::file(path, &error))?.len();
    if size > CHECKED_AT_START_BYTES {
        return Ok(());
    }
    match upkeep::quick_check(connection).await?.into_iter().next() {
        None => Ok(()),
        Some(detail) => Err(StoreError::Damaged { detail }),
    }
}

/// Takes the lock file beside the database: one gateway for each file.
fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(|error| fault::file(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(fault::file(&name, &error)),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
