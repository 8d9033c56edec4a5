//! A program that submits and says what was acknowledged, to be watched and cut off; and what must be left of it.

use crate::store::{at, done, intent, leaf, submission, subscribed};
use sgw::store::{IntentQuery, Options, SharedStore, SqliteStore, Store, Synchronous, Work};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Where the program works, and how.
pub const FOLDER: &str = "SGW_TEST_POWER_FOLDER";
/// `full` or `off`.
pub const SYNCHRONOUS: &str = "SGW_TEST_POWER_SYNCHRONOUS";
const WRITERS: usize = 6;
const ROUNDS: usize = 90;
/// Large enough that the write-ahead log is worked off several times.
const BODY_BYTES: usize = 24_000;

/// Makes an empty store with one subscription.
pub async fn prepare(folder: &Path) {
    let store = SqliteStore::open(Options::at(folder.join("sgw.db")), at(0)).await.unwrap();
    done(&store, Work { subscriptions: vec![subscribed("s")], ..Work::at(at(0)) }).await;
    store.close().await.unwrap();
}

#[test]
#[ignore = "a program of its own, run and watched by the test of power cuts"]
fn program() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let synchronous = match std::env::var(SYNCHRONOUS).as_deref() {
        Ok("off") => Synchronous::Off,
        _ => Synchronous::Full,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options::at(folder.join("sgw.db")).synchronous(synchronous);
        let store: SharedStore = Arc::new(SqliteStore::open(options, at(0)).await.unwrap());
        let told = Arc::new(Mutex::new(fs::File::create(folder.join("acknowledged")).unwrap()));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let (store, told) = (Arc::clone(&store), Arc::clone(&told));
            writers.push(tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let name = format!("{writer}-{round}");
                    let mut work = submission(&name, &format!("local:p|{writer}"), &["s"]);
                    work.puts[0].body.push_str(&" ".repeat(BODY_BYTES));
                    done(&*store, work).await;
                    told.lock().unwrap().write_all(format!("{name}\n").as_bytes()).unwrap();
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    });
    // The store is not closed: the power goes.
    std::process::exit(0);
}

/// Opens what a loss of power has left, and names what is missing of what was acknowledged.
pub async fn missing(folder: &Path, acknowledged: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let options = Options::at(folder.join("sgw.db")).synchronous(Synchronous::Off);
    let store = SqliteStore::open(options, at(0)).await.map_err(|error| error.to_string())?;
    let found = compare(&store, acknowledged).await;
    store.close().await.map_err(|error| error.to_string())?;
    found
}

async fn compare(store: &dyn Store, acknowledged: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let damage = store.check().await.map_err(|error| error.to_string())?;
    if !damage.is_empty() {
        return Err(damage.join("; "));
    }
    let all = IntentQuery { limit: 10_000, ..IntentQuery::default() };
    let flags = store.list("Flag", None, 10_000).await.map_err(|error| error.to_string())?;
    let intents = store.intents(all).await.map_err(|error| error.to_string())?;
    let flags: BTreeSet<String> = flags.into_iter().map(|flag| flag.id).collect();
    let intents: BTreeSet<String> = intents.into_iter().map(|intent| intent.resource_id).collect();
    if flags != intents
        || flags.len() as u64 != store.audit_size().await.map_err(|error| error.to_string())?
    {
        return Err("a unit of work is there in part".to_owned());
    }
    let gone = acknowledged.iter().filter(|name| !flags.contains(&format!("flag-{name}")));
    Ok(gone.cloned().collect())
}

#[tokio::test]
async fn the_comparison_notices_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path()).await;
    let store = SqliteStore::open(Options::at(folder.path().join("sgw.db")), at(0)).await.unwrap();
    done(&store, submission("one", "local:p|1", &["s"])).await;
    store.close().await.unwrap();
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(missing(folder.path(), &named(&["one"])).await, Ok(vec![]));
    assert_eq!(missing(folder.path(), &named(&["one", "two"])).await, Ok(vec!["two".to_owned()]));
    let store = SqliteStore::open(Options::at(folder.path().join("sgw.db")), at(0)).await.unwrap();
    let partial =
        Work { audits: vec![leaf("Flag/x")], intents: vec![intent("s", "p", "x")], ..Work::at(at(0)) };
    done(&store, partial).await;
    store.close().await.unwrap();
    assert!(missing(folder.path(), &named(&["one"])).await.is_err());
}
