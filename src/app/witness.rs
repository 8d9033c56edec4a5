//! Posting checkpoints to witnesses (C2SP `tlog-witness`), through the egress guard.
//!
//! A witness that is down is tried again with the next checkpoint: the proof reaches back to what it cosigned last, so
//! nothing is skipped. One that says that the log has shrunk or forked is believed: that is told loudly and recorded.

use crate::audit::{Checkpoint, Tree, WitnessKey, WitnessSettings, witness_request};
use crate::deliver;
use crate::deliver::egress::{GuardedResolver, Rules, system_lookup};
use crate::deliver::settings::SettingsError;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most that is read of an answer.
const ANSWER_LIMIT: usize = 16 * 1024;
/// How often the size is asked for anew within one attempt.
const ROUNDS: usize = 2;

/// Why witnesses cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The address is not one to which anything may be sent.
    #[error("the witness `{address}` cannot be used: {reason}")]
    Address {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// The client could not be made.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// What a witness said to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It cosigned.
    Cosigned,
    /// It could not be asked, or did not answer as it must; it is asked again with the next checkpoint.
    Nothing(String),
    /// It knows another past: more leaves than the log has, or other ones.
    Disagrees(String),
}

/// One witness.
struct Witness {
    address: Url,
    key: Option<WitnessKey>,
    /// The size that it cosigned last, as far as is known.
    known: u64,
}

/// The witnesses of a log, and the tree from which they are answered.
pub struct Witnesses {
    client: Client,
    witnesses: Vec<Witness>,
    folder: PathBuf,
    tree: Tree,
}

impl Witnesses {
    /// The witnesses of the settings; `None` when there are none. The rules of delivery say where they may be.
    pub fn of(
        settings: &[WitnessSettings],
        deliver: &deliver::Settings,
        folder: &Path,
    ) -> Result<Option<Witnesses>, WitnessError> {
        if settings.is_empty() {
            return Ok(None);
        }
        // A second installation is refused and harmless: the first provider stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let rules = Rules::of(deliver)?;
        let mut witnesses = Vec::new();
        for one in settings {
            let failed = |reason: String| WitnessError::Address { address: one.address.clone(), reason };
            let base = format!("{}/add-checkpoint", one.address.trim_end_matches('/'));
            let address = rules.check_endpoint(&base).map_err(|error| failed(error.to_string()))?;
            let key = one.key.as_deref().map(WitnessKey::parse).transpose();
            witnesses.push(Witness {
                address,
                key: key.map_err(|error| failed(error.to_string()))?,
                known: 0,
            });
        }
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("sgw/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(10))
            .dns_resolver(GuardedResolver::new(rules, system_lookup()))
            .build()
            .map_err(|error| SettingsError::Client(error.to_string()))?;
        Ok(Some(Witnesses { client, witnesses, folder: folder.to_owned(), tree: Tree::new() }))
    }

    /// Takes in a leaf of the log.
    pub fn push(&mut self, leaf_hash: crate::audit::Hash) {
        self.tree.push(leaf_hash);
    }

    /// Posts a checkpoint to every witness; what each said, by its address.
    pub async fn post(&mut self, checkpoint: &Checkpoint) -> Vec<(String, Said)> {
        let mut answers = Vec::new();
        for witness in &mut self.witnesses {
            let said = ask(&self.client, witness, &self.tree, checkpoint, &self.folder).await;
            let label = match said {
                Said::Cosigned => "cosigned",
                Said::Nothing(_) => "nothing",
                Said::Disagrees(_) => "disagrees",
            };
            metrics::counter!("sgw_witness_answers_total", "answer" => label).increment(1);
            answers.push((witness.address.to_string(), said));
        }
        answers
    }
}

async fn ask(
    client: &Client,
    witness: &mut Witness,
    tree: &Tree,
    checkpoint: &Checkpoint,
    folder: &Path,
) -> Said {
    for _ in 0..ROUNDS {
        let old = witness.known;
        if old > checkpoint.size {
            return Said::Disagrees(format!("it has cosigned {old} leaves, the log has {}", checkpoint.size));
        }
        let proof = if old == 0 { Some(Vec::new()) } else { tree.consistency_proof(old, checkpoint.size) };
        let Some(proof) = proof else { return Said::Nothing("the tree is not read yet".to_owned()) };
        let body = witness_request(old, &proof, checkpoint);
        let request = client.post(witness.address.clone()).header(CONTENT_TYPE, "text/plain").body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Said::Nothing(error.without_url().to_string()),
        };
        let status = response.status();
        let states_size = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let states_size = states_size.is_some_and(|kind| kind.starts_with("text/x.tlog.size"));
        let Some(text) = limited(response).await else {
            return Said::Nothing("its answer could not be read".to_owned());
        };
        match status {
            StatusCode::OK => return cosigned(witness, checkpoint, &text, folder),
            StatusCode::CONFLICT if states_size => match text.trim().parse() {
                Ok(size) if size != old => witness.known = size,
                _ => return Said::Nothing("it named no other size".to_owned()),
            },
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                return Said::Disagrees(format!(
                    "it refused the proof from {old} to {} leaves",
                    checkpoint.size
                ));
            }
            status => return Said::Nothing(format!("it answered {}", status.as_u16())),
        }
    }
    Said::Nothing("it named a new size each time".to_owned())
}

/// Checks the cosignature, where the witness's key is known, and keeps it beside the checkpoint.
fn cosigned(witness: &mut Witness, checkpoint: &Checkpoint, lines: &str, folder: &Path) -> Said {
    if let Some(key) = &witness.key
        && let Err(error) = key.cosigned(checkpoint, lines)
    {
        return Said::Nothing(error.to_string());
    }
    let signatures: String =
        lines.lines().filter(|line| line.starts_with("\u{2014} ")).flat_map(|line| [line, "\n"]).collect();
    let host = witness.address.host_str().unwrap_or("witness").replace([':', '[', ']'], "-");
    let port = witness.address.port().map(|port| format!("-{port}")).unwrap_or_default();
    let path = folder.join(format!("checkpoint-{}-{host}{port}.txt", checkpoint.size));
    if let Err(error) = std::fs::write(&path, format!("{}{signatures}", checkpoint.note)) {
        return Said::Nothing(format!("its cosignature could not be kept: {error}"));
    }
    witness.known = checkpoint.size;
    Said::Cosigned
}

async fn limited(mut response: reqwest::Response) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_LIMIT {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}
