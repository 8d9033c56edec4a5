//! Eight ways of tampering with the database under a stopped gateway. Whoever can do that can also compute hashes
//! anew; the log is then exported and held, by `sgw-verify` alone, against the checkpoints that a witness kept.

use super::{sgw, sgw_verify};
use sgw::app::sealing::Sealer;
use sgw::audit::{Act, Gateway, Party, Target, merkle, record};
use sgw::config::Settings;
use sgw::store::{Options, SharedStore, SqliteStore, Synchronous, Work};
use sqlx::{Connection, Row, SqliteConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One leaf with its content, as the database holds it.
#[derive(Clone)]
struct Rows {
    id: String,
    leaf: String,
    leaf_hash: Vec<u8>,
    recorded: i64,
    kind: String,
    outcome: String,
    salt: Option<Vec<u8>>,
    canonical: Option<String>,
}

impl Rows {
    /// The same leaf with a changed text, and its hash computed anew.
    fn rewritten(&self, from: &str, to: &str) -> Rows {
        let leaf = self.leaf.replace(from, to);
        assert_ne!(leaf, self.leaf);
        Rows { leaf_hash: merkle::leaf_hash(leaf.as_bytes()).to_vec(), leaf, ..self.clone() }
    }
}

fn gateway() -> Gateway {
    Gateway {
        organisation: "GZZ01".into(),
        name: "Test gateway".into(),
        device: "sgw".into(),
        address: "127.0.0.1".into(),
    }
}

async fn store(database: &Path) -> SharedStore {
    let options = Options::at(database).synchronous(Synchronous::Off);
    Arc::new(SqliteStore::open(options, jiff::Timestamp::now()).await.unwrap())
}

async fn append(store: &SharedStore, range: std::ops::Range<u32>) {
    for n in range {
        let target = format!("flag-{n}");
        let act = Act::Read {
            caller: Party { id: "hub-key", organisation: "LZZ01", name: "Hub", address: "192.0.2.7" },
            target: Target::version("Flag", &target, 1),
            patient: Some("nhs:9000000009"),
            purpose: "SAFEGUARDING",
            decision: None,
        };
        let now = jiff::Timestamp::now();
        let entry = record(&act, &gateway(), now);
        store.commit(Work { audits: vec![entry.into()], ..Work::at(now) }).await.unwrap();
    }
}

/// A stopped gateway with 24 leaves and checkpoints over 8, 16 and 24; what its witness kept; a copy from when it had
/// 16 leaves.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Site {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        std::fs::write(site.path("sgw.toml"), "[gateway]\norganisation = \"GZZ01\"\n").unwrap();
        let settings = site.settings();
        let open = store(&settings.gateway.database).await;
        let mut sealer = Sealer::open(open.clone(), &settings.audit, "GZZ01").await.unwrap();
        for n in 0..3 {
            append(&open, n * 8..n * 8 + 8).await;
            sealer.seal().await.unwrap().unwrap();
            if n == 1 {
                open.backup(&site.path("old.db")).await.unwrap();
            }
        }
        open.close().await.unwrap();
        std::fs::rename(site.path("witness"), site.path("kept")).unwrap();
        std::fs::copy(site.path("sgw.db"), site.path("good.db")).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> Settings {
        Settings::load(&self.path("sgw.toml")).unwrap()
    }

    /// Puts a copy in the database's place.
    fn put_back(&self, copy: &str) {
        for leftover in ["sgw.db-wal", "sgw.db-shm"] {
            let _absent = std::fs::remove_file(self.path(leftover));
        }
        std::fs::copy(self.path(copy), self.path("sgw.db")).unwrap();
    }

    async fn connection(&self) -> SqliteConnection {
        let url = format!("sqlite://{}", self.path("sgw.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
        connection
    }

    async fn read(&self) -> Vec<Rows> {
        let sql = "SELECT l.id, l.leaf, l.leaf_hash, c.recorded, c.kind, c.outcome, c.salt, c.canonical \
                   FROM audit_leaf l JOIN audit_content c ON c.sequence = l.sequence ORDER BY l.sequence";
        let mut connection = self.connection().await;
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let read = |row: &sqlx::sqlite::SqliteRow| Rows {
            id: row.get(0),
            leaf: row.get(1),
            leaf_hash: row.get(2),
            recorded: row.get(3),
            kind: row.get(4),
            outcome: row.get(5),
            salt: row.get(6),
            canonical: row.get(7),
        };
        rows.iter().map(read).collect()
    }

    /// Writes these leaves over the log, numbered without a gap: nothing but the signatures tells.
    async fn write(&self, leaves: &[Rows]) {
        let mut connection = self.connection().await;
        for sql in ["DELETE FROM audit_about", "DELETE FROM audit_content", "DELETE FROM audit_leaf"] {
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        for (sequence, row) in (0_i64..).zip(leaves) {
            let sql = "INSERT INTO audit_leaf (sequence, id, leaf, leaf_hash) VALUES (?, ?, ?, ?)";
            let leaf = sqlx::query(sql).bind(sequence).bind(&row.id).bind(&row.leaf).bind(&row.leaf_hash);
            leaf.execute(&mut connection).await.unwrap();
            let sql = "INSERT INTO audit_content (sequence, recorded, kind, outcome, salt, canonical) \
                       VALUES (?, ?, ?, ?, ?, ?)";
            let content =
                sqlx::query(sql).bind(sequence).bind(row.recorded).bind(&row.kind).bind(&row.outcome);
            content.bind(&row.salt).bind(&row.canonical).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// Exports the log as it is, and lets `sgw-verify` look at it with what the witness kept.
    fn verified(&self) -> (i32, String) {
        let export = self.path("export");
        let _absent = std::fs::remove_dir_all(&export);
        let (export, config) = (export.display().to_string(), self.path("sgw.toml").display().to_string());
        let (code, said) = sgw(&["audit", "export", "--out", &export, "--config", &config]);
        assert_eq!(code, 0, "{said}");
        let (key, kept) = (self.path("audit.pub"), self.path("kept"));
        let (key, kept) = (key.display().to_string(), kept.display().to_string());
        sgw_verify(&["log", &export, "--witness", &kept, "--key", &key])
    }

    #[track_caller]
    fn found(&self, how: &str, name: &str) {
        let (code, said) = self.verified();
        assert_eq!(code, 1, "{how}: {said}");
        assert!(said.lines().any(|line| line.starts_with(&format!("{name}:"))), "{how}: {name} in {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sgw_verify_finds_eight_ways_of_tampering_by_name_from_an_export_and_a_witness() {
    let site = Site::new().await;
    let (code, said) = site.verified();
    assert!(code == 0 && said.contains("24 leaves") && said.contains("0 findings"), "{said}");
    let leaves = site.read().await;
    let made_up = |n: usize| Rows {
        id: format!("made-up-{n}"),
        ..leaves[n].rewritten(&leaves[n].id, &format!("made-up-{n}"))
    };

    // Flip: a leaf's text changed, its hash left as it was; then computed anew; then the event that it commits to.
    let mut flipped = leaves.clone();
    flipped[5].leaf = flipped[5].leaf.replace("\"done\"", "\"lost\"");
    site.write(&flipped).await;
    site.found("flip", "leaf-altered");
    flipped[5] = leaves[5].rewritten("\"done\"", "\"lost\"");
    site.write(&flipped).await;
    site.found("flip, with its hash", "tree-altered");
    let mut flipped = leaves.clone();
    flipped[5].canonical = flipped[5].canonical.as_ref().map(|text| text.replace("LZZ01", "LZZ02"));
    site.write(&flipped).await;
    site.found("flip in the event", "content-altered");

    // Delete: one leaf taken out, the others moved up.
    let mut fewer = leaves.clone();
    fewer.remove(10);
    site.write(&fewer).await;
    site.found("delete", "tree-altered");
    site.found("delete", "log-too-short");

    // Swap: two leaves in each other's place.
    let mut swapped = leaves.clone();
    swapped.swap(9, 12);
    site.write(&swapped).await;
    site.found("swap", "leaves-swapped");

    // Insert: one that never was, among those that were signed.
    let mut more = leaves.clone();
    more.insert(11, made_up(11));
    site.write(&more).await;
    site.found("insert", "leaf-inserted");

    // Backdate: a leaf that claims a time long before those recorded earlier.
    let mut backdated = leaves.clone();
    let at = serde_json::from_str::<serde_json::Value>(&leaves[20].leaf).unwrap()["at"]
        .as_str()
        .unwrap()
        .to_owned();
    backdated[20] = leaves[20].rewritten(&at, "2026-01-01T09:00:00Z");
    site.write(&backdated).await;
    site.found("backdate", "leaf-backdated");

    // Truncate: the end cut off, with the checkpoint that covered it.
    site.write(&leaves[..18]).await;
    let mut connection = site.connection().await;
    sqlx::query("DELETE FROM audit_checkpoint WHERE size > 16").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    site.found("truncate", "log-too-short");

    // An old copy put back.
    site.put_back("old.db");
    site.found("restore", "log-too-short");

    // Fork: an old copy put back, another past lived on it, and signed with the log's own key.
    site.put_back("old.db");
    let settings = site.settings();
    let open = store(&settings.gateway.database).await;
    let _absent = std::fs::remove_dir_all(site.path("witness"));
    let mut sealer = Sealer::open(open.clone(), &settings.audit, "GZZ01").await.unwrap();
    append(&open, 100..108).await;
    assert_eq!(sealer.seal().await.unwrap().unwrap().size, 24);
    open.close().await.unwrap();
    site.found("fork", "log-forked");

    site.put_back("good.db");
    assert_eq!(site.verified().0, 0);
}
