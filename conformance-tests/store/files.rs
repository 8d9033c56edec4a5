//! Files that must be refused, disks that are full, locks that others hold, clocks that go back.

use super::*;
use std::fs;
use std::time::Duration;

async fn refused(options: Options) -> StoreError {
    open(options).await.err().expect("the file must be refused")
}

async fn with_one_flag(folder: &Path) -> std::path::PathBuf {
    let store = quick(folder).await;
    done(&store, submission("kept", "nhs:9000000009", &["s"])).await;
    store.close().await.unwrap();
    assert!(!folder.join("sgw.db-wal").exists(), "closing empties the log");
    folder.join("sgw.db")
}

async fn sql(path: &Path, script: &'static str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(
        &text,
        "not a database, and long enough to be mistaken for one if nobody looked at its beginning",
    )
    .unwrap();
    let before = fs::read(&text).unwrap();
    let error = refused(Options::at(&text)).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&text).unwrap(), before);

    use sqlx::ConnectOptions;
    let other = folder.path().join("other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&other).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE theirs (x)").execute(&mut connection).await.unwrap();
    drop(connection);
    let before = fs::read(&other).unwrap();
    let error = refused(Options::at(&other)).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&other).unwrap(), before);
}

#[tokio::test]
async fn a_newer_schema_and_altered_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_one_flag(folder.path()).await;
    sql(&path, "PRAGMA user_version = 99").await;
    let error = refused(Options::at(&path)).await;
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("run the newer release"), "{error}");
    sql(&path, "PRAGMA user_version = 1; DROP INDEX audit_leaf_id").await;
    let error = refused(Options::at(&path)).await;
    assert!(matches!(error, StoreError::Altered { .. }), "{error}");
}

#[tokio::test]
async fn damage_is_found_when_the_file_is_opened_and_no_answer_invents_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_one_flag(folder.path()).await;
    let whole = fs::read(&path).unwrap();
    let mut noticed = 0;
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..page * 4096 + 64].fill(0xA5);
        fs::write(&path, &damaged).unwrap();
        match open(Options::at(&path)).await {
            Err(StoreError::Damaged { .. } | StoreError::Altered { .. } | StoreError::Other { .. }) => {
                noticed += 1
            }
            Err(other) => panic!("{other}"),
            Ok(store) => store.close().await.unwrap(),
        }
    }
    assert_eq!(noticed, whole.len() / 4096 - 1, "damage to every page's header is noticed");
    fs::write(&path, &whole[..50]).unwrap();
    let error = refused(Options::at(&path)).await;
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[tokio::test]
async fn two_gateways_cannot_share_a_file_but_a_reader_may_look() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    done(&store, submission("one", "nhs:9000000009", &["s"])).await;
    let path = folder.path().join("sgw.db");
    let error = refused(Options::at(&path)).await;
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    let reader = SqliteStore::open_read_only(&path).await.unwrap();
    assert!(reader.read("Flag", "flag-one").await.unwrap().is_some());
    assert!(reader.commit(submission("two", "nhs:9000000009", &["s"])).await.is_err());
    assert_eq!(reader.audit_size().await.unwrap(), 1);
    let copy = folder.path().join("backup.db");
    store.backup(&copy).await.unwrap();
    let copied = SqliteStore::open_read_only(&copy).await.unwrap();
    assert!(copied.read("Flag", "flag-one").await.unwrap().is_some());
    assert!(matches!(store.backup(&copy).await, Err(StoreError::File { .. })));
    assert!(SqliteStore::open_read_only(folder.path().join("none.db")).await.is_err());
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_named_and_passes() {
    use sqlx::{ConnectOptions, Executor};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sgw.db");
    let store = open(Options::at(&path).busy_timeout(Duration::from_millis(50))).await.unwrap();
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = store.commit(submission("locked", "nhs:9000000009", &["s"])).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }) && error.is_transient(), "{error}");
    other.execute("ROLLBACK").await.unwrap();
    done(&store, submission("locked", "nhs:9000000009", &["s"])).await;
    assert_eq!(store.audit_size().await.unwrap(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_whole_units_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sgw.db");
    let store = open(Options::at(&path).synchronous(Synchronous::Off).max_pages(120)).await.unwrap();
    let mut written = 0_u64;
    let error = loop {
        let mut work = submission(&format!("n{written}"), "nhs:9000000009", &["s"]);
        work.puts[0].body.push_str(&" ".repeat(3000));
        match store.commit(work).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000);
    };
    assert!(matches!(error, StoreError::Full) && error.is_transient(), "{error}");
    assert!(store.ready().is_ok(), "a full disk does not stop the writer for good");
    assert_eq!(store.audit_size().await.unwrap(), written);
    assert!(store.read("Flag", &format!("flag-n{written}")).await.unwrap().is_none(), "no partial write");
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    store.close().await.unwrap();
    let store = quick(folder.path()).await;
    done(&store, submission("after", "nhs:9000000009", &["s"])).await;
    assert_eq!(store.audit_size().await.unwrap(), written + 1);
}

#[tokio::test]
async fn a_clock_that_went_back_is_refused_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sgw.db");
    let hour = 3_600_000_000;
    let store = quick(folder.path()).await;
    let mut work = submission("late", "nhs:9000000009", &["s"]);
    work.now = at(hour);
    work.audits[0].recorded = at(hour);
    done(&store, work).await;
    let slightly = Work { audits: vec![leaf("Flag/f")], ..Work::at(at(hour - 1_000_000)) };
    done(&store, slightly).await;
    let error = store.commit(submission("early", "nhs:9000000009", &["s"])).await.unwrap_err();
    assert!(matches!(error, StoreError::Clock { .. }), "{error}");
    assert_eq!(store.audit_size().await.unwrap(), 2);
    store.close().await.unwrap();
    let error = refused(Options::at(&path)).await;
    assert!(matches!(error, StoreError::Clock { .. }), "{error}");
    assert!(error.to_string().contains("accept_clock_step"), "{error}");
    let store = open(Options::at(&path).accept_clock_step(true)).await.unwrap();
    done(&store, submission("early", "nhs:9000000009", &["s"])).await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = quick(folder.path()).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let error = store.commit(submission("late", "nhs:9000000009", &["s"])).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
    assert!(matches!(store.ready(), Err(StoreError::Closed)));
}
