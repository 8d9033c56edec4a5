//! A long audit log is taken up without being read whole, and is still held against what was signed.

use crate::store::done;
use jiff::Timestamp;
use sgw::app::sealing::Sealer;
use sgw::audit::{self, Act, Gateway, Party, Settings};
use sgw::store::{NewLeaf, Options, SharedStore, SqliteStore, Work};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// More than are read whole at every start.
const LEAVES: i64 = 20_400;

fn entry(number: i64) -> NewLeaf {
    let gateway = Gateway {
        organisation: "RZZ00".to_owned(),
        name: "Test".to_owned(),
        device: "sgw".to_owned(),
        address: "127.0.0.1".to_owned(),
    };
    let number = number.to_string();
    let act = Act::Administration {
        actor: Party { id: "operator", organisation: "RZZ00", name: "", address: "" },
        operation: "quarantine-list",
        subject: None,
        details: &[("found", &number)],
    };
    audit::record(&act, &gateway, Timestamp::now()).into()
}

async fn grow(store: &SharedStore, from: i64, to: i64) {
    let mut next = from;
    while next < to {
        let end = to.min(next + 1_000);
        let audits = (next..end).map(entry).collect();
        done(&**store, Work { audits, ..Work::at(Timestamp::now()) }).await;
        next = end;
    }
}

async fn store(folder: &Path) -> SharedStore {
    Arc::new(SqliteStore::open(Options::at(folder.join("sgw.db")), Timestamp::now()).await.unwrap())
}

async fn tamper(folder: &Path, statement: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("sgw.db"));
    let mut connection = options.connect().await.unwrap();
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_taken_up_from_its_signed_edge() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        key: folder.path().join("audit.key"),
        witness: folder.path().join("witness"),
        ..Settings::default()
    };
    let opened = store(folder.path()).await;
    grow(&opened, 0, LEAVES).await;
    let mut sealer = Sealer::open(opened.clone(), &settings, "RZZ00").await.unwrap();
    assert!(sealer.unread().is_none(), "nothing was signed yet: all of it is read");
    sealer.seal().await.unwrap().unwrap();
    grow(&opened, LEAVES, LEAVES + 50).await;

    let mut sealer = Sealer::open(opened.clone(), &settings, "RZZ00").await.unwrap();
    let unread = sealer.unread().expect("only what came after the checkpoint is read");
    assert_eq!(unread.look(&opened).await.unwrap(), None, "the rest agrees as well");
    // The tree goes on where it was: what is signed next is consistent with everything before.
    let sealed = sealer.seal().await.unwrap().unwrap();
    assert_eq!(sealed.size, LEAVES as u64 + 50);
    let again = Sealer::open(opened.clone(), &settings, "RZZ00").await;
    assert!(again.is_ok_and(|mut sealer| sealer.unread().is_some()));

    // An edge that was not signed is not believed: everything is read.
    let edge = folder.path().join("audit.edge");
    let kept = fs::read(&edge).unwrap();
    let mut forged = kept.clone();
    *forged.last_mut().unwrap() ^= 1;
    fs::write(&edge, &forged).unwrap();
    let mut sealer = Sealer::open(opened.clone(), &settings, "RZZ00").await.unwrap();
    assert!(sealer.unread().is_none());
    fs::write(&edge, &kept).unwrap();

    // Long ago: found while the gateway serves. After the checkpoint: found before it does.
    grow(&opened, LEAVES + 50, LEAVES + 60).await;
    opened.close().await.unwrap();
    tamper(folder.path(), "UPDATE audit_leaf SET leaf = replace(leaf, 'RZZ00', 'RZZ01') WHERE sequence = 7")
        .await;
    let content =
        "UPDATE audit_content SET canonical = replace(canonical, 'RZZ00', 'RZZ01') WHERE sequence = 7";
    tamper(folder.path(), content).await;
    let opened = store(folder.path()).await;
    let mut sealer = Sealer::open(opened.clone(), &settings, "RZZ00").await.unwrap();
    let finding = sealer.unread().unwrap().look(&opened).await.unwrap().unwrap();
    assert!(finding.name().ends_with("-altered"), "{finding}");
    opened.close().await.unwrap();
    let late = format!("WHERE sequence = {}", LEAVES + 55);
    tamper(folder.path(), &format!("UPDATE audit_leaf SET leaf = leaf || ' ' {late}")).await;
    let opened = store(folder.path()).await;
    let refused = Sealer::open(opened.clone(), &settings, "RZZ00").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("leaf-altered")));
    opened.close().await.unwrap();
}
