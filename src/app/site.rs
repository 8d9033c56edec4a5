//! A site to start from: settings, registry, agreements, keys and examples, written into one folder.

use crate::api::auth;
use crate::config::DEFAULT_FILE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const REGISTRY: &str = include_str!("../../profiles/starter/registry.yaml");
const AGREEMENTS: [(&str, &str); 3] = [
    ("northshire-hub.yaml", include_str!("../../profiles/agreements/northshire-hub.yaml")),
    ("eastmoor-ed.yaml", include_str!("../../profiles/agreements/eastmoor-ed.yaml")),
    ("moorland-homes.yaml", include_str!("../../profiles/agreements/moorland-homes.yaml")),
];
const EXAMPLES: [(&str, &str); 4] = [
    ("adt-a08.hl7", include_str!("../../profiles/starter/examples/adt-a08.hl7")),
    ("alert.json", include_str!("../../profiles/starter/examples/alert.json")),
    ("flag.json", include_str!("../../profiles/starter/examples/flag.json")),
    ("consent.json", include_str!("../../profiles/starter/examples/consent.json")),
];
const CREDENTIALS: [&str; 9] = ["pas", "ehr", "scr", "hub", "ed", "housing", "tester", "auditor", "operator"];
const PARTNERS: [&str; 3] = ["hub", "ed", "housing"];
/// Bytes of a signing secret: within the 24 to 64 that Standard Webhooks asks for.
const SECRET_BYTES: usize = 32;

/// A site that was written.
#[derive(Clone, Debug)]
pub struct Site {
    /// The settings file.
    pub settings: PathBuf,
    /// The keys, by credential.
    pub keys: BTreeMap<String, String>,
    /// The secrets that sign notifications, by partner.
    pub secrets: BTreeMap<String, String>,
}

/// Why a site could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The folder holds something already; nothing was written.
    #[error("`{0}` exists and is not empty; name a new folder")]
    NotEmpty(PathBuf),
    /// A file could not be written.
    #[error("`{path}` could not be written: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The operating system gave no randomness for keys.
    #[error("no randomness for keys: {0}")]
    Randomness(#[from] rand::rngs::SysError),
}

/// Writes a site into `folder`, which must be new or empty; the gateway will listen on `http` and `mllp`.
pub fn write(folder: &Path, http: SocketAddr, mllp: SocketAddr) -> Result<Site, SiteError> {
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(SiteError::NotEmpty(folder.to_owned()));
    }
    let mut keys = BTreeMap::new();
    for id in CREDENTIALS {
        keys.insert(id.to_owned(), auth::new_key()?.to_string());
    }
    let mut secrets = BTreeMap::new();
    for id in PARTNERS {
        secrets.insert(id.to_owned(), new_secret()?);
    }
    for inner in ["agreements", "keys", "examples"] {
        let path = folder.join(inner);
        fs::create_dir_all(&path).map_err(|error| SiteError::Write { path, error })?;
    }
    let settings = folder.join("sgw.toml");
    put(&settings, &settings_text(http, mllp), false)?;
    put(&folder.join("registry.yaml"), &registry_text(&keys, &secrets), true)?;
    for (name, text) in AGREEMENTS {
        put(&folder.join("agreements").join(name), text, false)?;
    }
    for (name, text) in EXAMPLES {
        put(&folder.join("examples").join(name), text, false)?;
    }
    let example = format!("{:#}\n", subscription("http://127.0.0.1:8081/notifications"));
    put(&folder.join("examples/subscription-hub.json"), &example, false)?;
    for (id, key) in &keys {
        put(&folder.join(format!("keys/{id}.key")), key, true)?;
    }
    for (id, secret) in &secrets {
        put(&folder.join(format!("keys/{id}.whsec")), secret, true)?;
    }
    Ok(Site { settings, keys, secrets })
}

/// A subscription to safeguarding Flags with full resources, as a partner would write it.
pub fn subscription(endpoint: &str) -> Value {
    let backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Safeguarding alerts about the people we serve",
        "criteria": crate::fhir::systems::canonical("SubscriptionTopic/safeguarding-flag"),
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{
                "url": format!("{backport}/backport-payload-content"),
                "valueCode": "full-resource"
            }]}
        }
    })
}

fn new_secret() -> Result<String, SiteError> {
    let mut bytes = [0_u8; SECRET_BYTES];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    Ok(format!("whsec_{}", STANDARD.encode(bytes)))
}

/// The annotated default settings with what a starter site needs to differ in.
fn settings_text(http: SocketAddr, mllp: SocketAddr) -> String {
    let listeners = format!("listeners = [{{ source = \"pas\", listen = \"{mllp}\" }}]");
    let changes = [
        ("name = ", "name = \"Northshire safeguarding gateway\"".to_owned()),
        ("organisation = ", "organisation = \"RZZ00\"".to_owned()),
        ("agreements = ", "agreements = \"agreements\"".to_owned()),
        ("listen = ", format!("listen = \"{http}\"")),
        ("# ?listeners = ", listeners),
        ("allow_loopback = ", "allow_loopback = true".to_owned()),
        ("allow_http = ", "allow_http = true".to_owned()),
    ];
    let mut text = String::with_capacity(DEFAULT_FILE.len());
    for line in DEFAULT_FILE.lines() {
        let change = changes.iter().find(|(beginning, _)| line.starts_with(beginning));
        text.push_str(change.map_or(line, |(_, changed)| changed));
        text.push('\n');
    }
    text
}

fn registry_text(keys: &BTreeMap<String, String>, secrets: &BTreeMap<String, String>) -> String {
    let mut text = REGISTRY.to_owned();
    for (id, key) in keys {
        text = text.replace(&format!("{{{{sha256:{id}}}}}"), &hex::encode(auth::hash(key)));
    }
    for (id, secret) in secrets {
        text = text.replace(&format!("{{{{secret:{id}}}}}"), secret);
    }
    text
}

/// Writes one new file; a secret one can be read by its owner only.
fn put(path: &Path, text: &str, secret: bool) -> Result<(), SiteError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| SiteError::Write { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_settings_of_a_new_site_are_accepted_and_differ_where_they_must() {
        let settings = Settings::parse(&settings_text(local(0), local(2575)), Path::new("sgw.toml")).unwrap();
        assert_eq!(settings.gateway.organisation, "RZZ00");
        assert_eq!(settings.gateway.agreements, Path::new("agreements"));
        assert_eq!(settings.http.listen, local(0));
        assert_eq!(settings.mllp.listeners[0].source, "pas");
    }

    #[test]
    fn a_site_has_all_its_keys_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let site = write(folder.path(), local(0), local(0)).unwrap();
        let registry = fs::read_to_string(folder.path().join("registry.yaml")).unwrap();
        assert!(!registry.contains("{{"), "every place is filled");
        for key in site.keys.values() {
            assert!(!registry.contains(key.as_str()), "the registry holds no key");
        }
        assert!(matches!(write(folder.path(), local(0), local(0)), Err(SiteError::NotEmpty(_))));
    }
}
