//! The log through its front door: `sgw audit` on a database that was stopped and tampered with, and `sgw-verify`
//! on what it exported.

use sgw::app::sealing::Sealer;
use sgw::audit::{Act, Gateway, Party, Target, record};
use sgw::config::Settings;
use sgw::store::{Options, SharedStore, SqliteStore, Synchronous, Work};
use sqlx::{Connection, SqliteConnection};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

struct Site {
    folder: tempfile::TempDir,
    ids: Vec<String>,
}

impl Site {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sgw(&self, arguments: &[&str]) -> (i32, String) {
        let config = self.path("sgw.toml");
        let mut all = vec!["audit"];
        all.extend(arguments);
        run(env!("CARGO_BIN_EXE_sgw"), &[&all[..], &["--config", config.to_str().unwrap()]].concat())
    }

    fn verify(&self, arguments: &[&str]) -> (i32, String) {
        let key = self.path("audit.pub");
        run(env!("CARGO_BIN_EXE_sgw-verify"), &[arguments, &["--key", key.to_str().unwrap()]].concat())
    }
}

fn run(program: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// A stopped gateway's folder with 24 records about two patients; checkpoints over 12 and 24.
async fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sgw.toml");
    std::fs::write(&config, "[gateway]\norganisation = \"GZZ01\"\n").unwrap();
    let settings = Settings::load(&config).unwrap();
    let options = Options::at(&settings.gateway.database).synchronous(Synchronous::Off);
    let now = jiff::Timestamp::now();
    let store: SharedStore = Arc::new(SqliteStore::open(options, now).await.unwrap());
    let gateway = Gateway {
        organisation: "GZZ01".into(),
        name: "Test gateway".into(),
        device: "sgw".into(),
        address: "127.0.0.1".into(),
    };
    let mut sealer = Sealer::open(Arc::clone(&store), &settings.audit, "GZZ01").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..24 {
        let patient = if n % 2 == 0 { "nhs:9000000009" } else { "nhs:9000000017" };
        let target = format!("flag-{n}");
        let caller = Party { id: "hub-key", organisation: "LZZ01", name: "Hub", address: "192.0.2.7" };
        let target = Target::version("Flag", &target, 1);
        let act =
            Act::Read { caller, target, patient: Some(patient), purpose: "SAFEGUARDING", decision: None };
        let at = now + jiff::SignedDuration::from_secs(n);
        let entry = record(&act, &gateway, at);
        ids.push(entry.id.clone());
        store.commit(Work { audits: vec![entry.into()], ..Work::at(at) }).await.unwrap();
        if n % 12 == 11 {
            assert_eq!(sealer.seal().await.unwrap().unwrap().size, n as u64 + 1);
            assert!(sealer.seal().await.unwrap().is_none(), "nothing new, nothing signed");
        }
    }
    store.close().await.unwrap();
    Site { folder, ids }
}

async fn tamper(database: &Path, statements: &[&str]) {
    let url = format!("sqlite://{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_proved_offline_and_the_whole_log_verifies() {
    let site = site().await;
    let (code, text) = site.sgw(&["verify"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("24 leaves") && text.contains("4 checkpoints agree, 0 findings"), "{text}");

    let out = site.path("");
    let (code, text) = site.sgw(&["prove", &site.ids[3], &site.ids[20], "--out", out.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let proof = site.path(&format!("proof-{}.json", site.ids[20]));
    let (code, text) = site.verify(&["proof", proof.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    for line in
        ["leaf 20 of 24", "purpose: SAFEGUARDING", "what: Flag/flag-20/_history/1", "patient: 9000000009"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    let forged = std::fs::read_to_string(&proof).unwrap().replace("flag-20", "flag-21");
    std::fs::write(&proof, forged).unwrap();
    let (code, text) = site.verify(&["proof", proof.to_str().unwrap()]);
    assert!(code == 1 && text.contains("NOT PROVED"), "{text}");
    assert_eq!(site.sgw(&["prove", "no-such-id", "--out", out.to_str().unwrap()]).0, 1);

    let export = site.path("export");
    assert_eq!(site.sgw(&["export", "--out", export.to_str().unwrap()]).0, 0);
    let witness = site.path("witness");
    let (code, text) =
        site.verify(&["log", export.to_str().unwrap(), "--witness", witness.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("4 of 4 checkpoints agree"), "{text}");

    let (code, text) = site.sgw(&["access", "9000000009"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("12 accesses") && text.contains("LZZ01 (hub-key)"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampering_with_a_stopped_database_is_found_by_name() {
    let site = site().await;
    let cases: [(&str, &[&str], &str); 8] = [
        (
            "flip",
            &[
                "UPDATE audit_leaf SET leaf = replace(leaf, '\"outcome\":\"done\"', '\"outcome\":\"lost\"') WHERE sequence = 5",
            ],
            "leaf-altered",
        ),
        (
            "content",
            &["UPDATE audit_content SET canonical = replace(canonical, 'LZZ01', 'LZZ02') WHERE sequence = 5"],
            "content-altered",
        ),
        (
            "erase without a record",
            &["UPDATE audit_content SET canonical = NULL, salt = NULL WHERE sequence = 5"],
            "content-missing",
        ),
        (
            "delete",
            &["DELETE FROM audit_content WHERE sequence = 5", "DELETE FROM audit_leaf WHERE sequence = 5"],
            "leaf-missing",
        ),
        (
            "swap",
            &[
                "UPDATE audit_leaf SET sequence = 1005 WHERE sequence = 5",
                "UPDATE audit_leaf SET sequence = 5 WHERE sequence = 7",
                "UPDATE audit_leaf SET sequence = 7 WHERE sequence = 1005",
                "UPDATE audit_content SET sequence = 1005 WHERE sequence = 5",
                "UPDATE audit_content SET sequence = 5 WHERE sequence = 7",
                "UPDATE audit_content SET sequence = 7 WHERE sequence = 1005",
            ],
            "leaves-swapped",
        ),
        (
            "truncate",
            &["DELETE FROM audit_content WHERE sequence > 20", "DELETE FROM audit_leaf WHERE sequence > 20"],
            "log-too-short",
        ),
        (
            "truncate with its checkpoint",
            &[
                "DELETE FROM audit_content WHERE sequence > 20",
                "DELETE FROM audit_leaf WHERE sequence > 20",
                "DELETE FROM audit_checkpoint WHERE size > 20",
            ],
            "log-too-short",
        ),
        (
            "another root",
            &["UPDATE audit_checkpoint SET note = replace(note, 'GZZ01', 'GZZ02') WHERE size = 12"],
            "checkpoint-refused",
        ),
    ];
    let database = site.path("sgw.db");
    let kept = std::fs::read(&database).unwrap();
    for (name, statements, found) in cases {
        tamper(&database, statements).await;
        let (code, text) = site.sgw(&["verify"]);
        assert_eq!(code, 1, "{name}: {text}");
        assert!(text.contains(found), "{name}: {text}");
        for leftover in ["sgw.db-wal", "sgw.db-shm"] {
            let _absent = std::fs::remove_file(site.path(leftover));
        }
        std::fs::write(&database, &kept).unwrap();
    }
    assert_eq!(site.sgw(&["verify"]).0, 0);

    // A gateway does not start over a past that was changed.
    tamper(&database, &["UPDATE audit_leaf SET leaf = replace(leaf, 'done', 'lost') WHERE sequence = 5"])
        .await;
    let settings = Settings::load(&site.path("sgw.toml")).unwrap();
    let store = SqliteStore::open_read_only(&database).await.unwrap();
    let refused = Sealer::open(Arc::new(store), &settings.audit, "GZZ01").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("leaf-altered")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_s_content_is_erased_and_the_tree_still_verifies() {
    let site = site().await;
    let (code, text) = site.sgw(&["erase", "9000000009", "--ground", "gdpr-17-1-d", "--by", "dpo"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("12 events erased"), "{text}");
    let (code, text) = site.sgw(&["verify"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("36 leaves") && text.contains("12 erased with a record of it"), "{text}");
    assert!(site.sgw(&["access", "9000000009"]).1.contains("0 accesses"));
    assert!(site.sgw(&["access", "9000000017"]).1.contains("12 accesses"));
    let out = site.path("");
    let (code, _) = site.sgw(&["prove", &site.ids[2], "--out", out.to_str().unwrap()]);
    assert_eq!(code, 0);
    let proof = site.path(&format!("proof-{}.json", site.ids[2]));
    let (code, text) = site.verify(&["proof", proof.to_str().unwrap()]);
    assert!(code == 0 && text.contains("was erased"), "{text}");
}
