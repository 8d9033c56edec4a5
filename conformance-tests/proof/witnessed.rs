//! Checkpoints posted to a witness that speaks C2SP `tlog-witness`: a server of the test's own, which keeps the newest
//! checkpoint it cosigned and refuses what has not grown out of it.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use sgw::app::sealing::{Sealer, key};
use sgw::app::witness::Witnesses;
use sgw::audit::{
    Act, Checkpoint, Gateway, Hash, Party, Settings, VerifierKey, WitnessSettings, merkle, record,
};
use sgw::store::{AuditQuery, Options, SharedStore, SqliteStore, Synchronous, Work};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the witness knows, and every request it got.
struct Witness {
    log: VerifierKey,
    known: Mutex<(u64, Option<Hash>)>,
    requests: Mutex<Vec<(u64, u16)>>,
    down: Mutex<bool>,
}

const NAME: &str = "witness.test/w1";

fn secret() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn key_id() -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(NAME.as_bytes());
    hasher.update(b"\n\x04");
    hasher.update(secret().verifying_key().as_bytes());
    hasher.finalize()[..4].to_vec()
}

fn public_key() -> String {
    let bytes = [&[4u8][..], secret().verifying_key().as_bytes()].concat();
    format!("{NAME}+{}+{}", hex::encode(key_id()), STANDARD.encode(bytes))
}

/// The checks of C2SP `tlog-witness`, in its order.
async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    if *witness.down.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (head, note) = body.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
    let proof: Vec<Hash> = lines.map(|line| STANDARD.decode(line).unwrap().try_into().unwrap()).collect();
    let answer = |status: u16, kind: &'static str, text: String| {
        witness.requests.lock().unwrap().push((old, status));
        (StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, kind)], text).into_response()
    };
    let Ok(checkpoint) = Checkpoint::parse(note, &witness.log) else {
        return answer(403, "text/plain", String::new());
    };
    let mut known = witness.known.lock().unwrap();
    if old > checkpoint.size {
        return answer(400, "text/plain", String::new());
    }
    if old != known.0 {
        return answer(409, "text/x.tlog.size", format!("{}\n", known.0));
    }
    if let Some(root) = known.1
        && !merkle::verify_consistency(old, checkpoint.size, &root, &checkpoint.root, &proof)
    {
        return answer(422, "text/plain", String::new());
    }
    *known = (checkpoint.size, Some(checkpoint.root));
    let time = 1_790_000_000_u64;
    let text = note.split("\n\n").next().unwrap();
    let signature = secret().sign(format!("cosignature/v1\ntime {time}\n{text}\n").as_bytes());
    let bytes = [&key_id()[..], &time.to_be_bytes(), &signature.to_bytes()].concat();
    answer(200, "text/plain", format!("\u{2014} {NAME} {}\n", STANDARD.encode(bytes)))
}

fn gateway() -> Gateway {
    Gateway {
        organisation: "GZZ01".into(),
        name: "Test".into(),
        device: "sgw".into(),
        address: String::new(),
    }
}

async fn store(path: &Path) -> SharedStore {
    let options = Options::at(path).synchronous(Synchronous::Off);
    Arc::new(SqliteStore::open(options, jiff::Timestamp::now()).await.unwrap())
}

async fn append(store: &SharedStore, count: usize) {
    for _ in 0..count {
        let now = jiff::Timestamp::now();
        let actor = Party { id: "test", organisation: "GZZ01", name: "", address: "" };
        let act = Act::Administration { actor, operation: "test", subject: None, details: &[] };
        let audits = vec![record(&act, &gateway(), now).into()];
        store.commit(Work { audits, ..Work::at(now) }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_cosigned_by_a_witness_that_sees_the_log_only_grow() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        key: folder.path().join("audit.key"),
        witness: folder.path().join("witness"),
        ..Settings::default()
    };
    let witness = Arc::new(Witness {
        log: key(&settings.key, "GZZ01").unwrap().verifier(),
        known: Mutex::default(),
        requests: Mutex::default(),
        down: Mutex::default(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/log", listener.local_addr().unwrap());
    let router = Router::new().route("/log/add-checkpoint", post(add_checkpoint)).with_state(witness.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let named = vec![WitnessSettings { address, key: Some(public_key()) }];
    let deliver = sgw::deliver::Settings { allow_http: true, allow_loopback: true, ..Default::default() };
    // Where the rules of delivery do not let it, nothing is sent.
    assert!(Witnesses::of(&named, &sgw::deliver::Settings::default(), &settings.witness).is_err());

    let open = store(&folder.path().join("sgw.db")).await;
    append(&open, 5).await;
    let ready = async |store: &SharedStore| {
        let witnesses = Witnesses::of(&named, &deliver, &settings.witness).unwrap().unwrap();
        let sealer = Sealer::open(store.clone(), &settings, "GZZ01").await.unwrap();
        sealer.with_witnesses(witnesses, gateway()).await.unwrap()
    };
    let mut sealer = ready(&open).await;
    let said = || witness.requests.lock().unwrap().drain(..).collect::<Vec<_>>();
    sealer.seal().await.unwrap().unwrap();
    assert_eq!(said(), [(0, 200)]);
    append(&open, 8).await;
    sealer.seal().await.unwrap().unwrap();
    assert_eq!(said(), [(5, 200)]);

    // While it is down the log is sealed all the same; then the proof reaches back to what it knows.
    *witness.down.lock().unwrap() = true;
    append(&open, 3).await;
    sealer.seal().await.unwrap().unwrap();
    *witness.down.lock().unwrap() = false;
    append(&open, 4).await;
    sealer.seal().await.unwrap().unwrap();
    assert_eq!(said(), [(13, 200)]);

    // After a start nothing is known: the witness tells what it has.
    let mut sealer = ready(&open).await;
    append(&open, 1).await;
    let last = sealer.seal().await.unwrap().unwrap();
    assert_eq!(said(), [(0, 409), (20, 200)]);
    let mut kept: Vec<String> = std::fs::read_dir(&settings.witness)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("checkpoint-21"))
        .collect();
    kept.sort();
    assert_eq!(kept.len(), 2);
    let cosigned = std::fs::read_to_string(settings.witness.join(&kept[0])).unwrap();
    assert!(cosigned.starts_with(&last.note) && cosigned.contains(NAME), "{cosigned}");
    assert_eq!(Checkpoint::parse(&cosigned, &witness.log).unwrap().size, 21);

    // Another past, signed with the log's own key: the witness will not have it, and that is recorded, once.
    let other = store(&folder.path().join("other.db")).await;
    append(&other, 30).await;
    std::fs::remove_dir_all(&settings.witness).unwrap();
    let mut forked = ready(&other).await;
    forked.seal().await.unwrap().unwrap();
    append(&other, 1).await;
    forked.seal().await.unwrap().unwrap();
    assert_eq!(said(), [(0, 409), (21, 422), (21, 422)]);
    let query = AuditQuery { kind: Some("administration".into()), limit: 100, ..AuditQuery::default() };
    let leaves = other.audit_search(query).await.unwrap();
    let told = |leaf: &&sgw::store::Leaf| leaf.canonical.as_ref().unwrap().contains("witness-disagrees");
    assert_eq!(leaves.iter().filter(told).count(), 1);
    server.abort();
}
