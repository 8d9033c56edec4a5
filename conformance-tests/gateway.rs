//! A whole gateway on a temporary store, asked through its front door.

use crate::deliver::house::secret;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use sgw::api::auth::{Keyring, hash};
use sgw::api::settings::HttpSettings;
use sgw::audit;
use sgw::config::Registry;
use sgw::convert::{Format, Mappings, Source};
use sgw::definitions::Definitions;
use sgw::deliver::{self, Deliverer};
use sgw::exchange::{self, Exchange, Registered, Sources};
use sgw::govern::Policy;
use sgw::route::Topics;
use sgw::store::{AuditQuery, Leaf, Options, SharedStore, SqliteStore, Synchronous};
use sgw::validate::{Settings, Validator};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tower::ServiceExt;

/// The holders of keys in the test gateway; the key of each is `key-of-` and the name.
pub const HOLDERS: [&str; 13] = [
    "pas", "ehr", "scr", "hub", "ed", "housing", "tester", "auditor", "operator", "other", "desk", "resus",
    "any",
];

const REGISTRY: &str = r#"
organisations:
  - { code: RZZ00, name: Northshire safeguarding gateway }
  - { code: RZZ01, name: Northshire Hospitals }
  - { code: RZZ02, name: Eastmoor Emergency Department }
  - { code: RZZ03, name: Northshire Community Care }
  - { code: RZZ04, name: Northshire Shared Care Record }
  - { code: RZZ05, name: A Trust that sends everything }
  - { code: RZZ09, name: Somewhere Else }
  - { code: LZZ01, name: Northshire Council }
  - { code: HZZ01, name: Moorland Homes }
sources:
  - { id: pas, organisation: RZZ01, format: hl7v2, lawful-basis: [ca2004-s11, gdpr-6-1-e, gdpr-9-2-g] }
  - { id: ehr, organisation: RZZ03, format: json, lawful-basis: [ca2004-s11, gdpr-6-1-e, gdpr-9-2-g] }
  - { id: scr, organisation: RZZ04, format: fhir }
  - { id: other, organisation: RZZ09, format: fhir }
{every mapping}
partners:
  - { id: hub, name: Hub, organisation: LZZ01, kind: safeguarding-hub }
  - { id: ed, name: Emergency department, organisation: RZZ02, kind: healthcare }
  - { id: housing, name: Moorland Homes, organisation: HZZ01, kind: housing }
  - { id: desk, name: Governance desk of the shared care record, organisation: RZZ04, kind: shared-care-record }
credentials:
  - { id: pas, organisation: RZZ01, roles: [source], source: pas, sha256: "{pas}" }
  - { id: ehr, organisation: RZZ03, roles: [source], source: ehr, sha256: "{ehr}" }
  - { id: scr, organisation: RZZ04, roles: [source], source: scr, sha256: "{scr}" }
  - { id: other, organisation: RZZ09, roles: [source], source: other, sha256: "{other}" }
  - { id: any, organisation: RZZ05, roles: [source], sha256: "{any}" }
  - { id: hub, organisation: LZZ01, roles: [subscriber], partner: hub, sha256: "{hub}" }
  - { id: ed, organisation: RZZ02, roles: [subscriber], partner: ed, sha256: "{ed}" }
  - { id: desk, organisation: RZZ04, roles: [subscriber], partner: desk, sha256: "{desk}" }
  - { id: resus, organisation: RZZ02, roles: [subscriber, break-glass], partner: ed, sha256: "{resus}" }
  - { id: housing, organisation: HZZ01, roles: [subscriber], partner: housing, sha256: "{housing}" }
  - { id: tester, organisation: RZZ00, roles: [tester], sha256: "{tester}" }
  - { id: auditor, organisation: RZZ00, roles: [auditor], sha256: "{auditor}" }
  - { id: operator, organisation: RZZ00, roles: [operator], sha256: "{operator}" }
"#;

/// The key of a holder.
pub fn key_of(holder: &str) -> String {
    format!("key-of-{holder}")
}

/// A source for each built-in mapping, with the mapping's id.
fn source_of_each_mapping() -> String {
    let line = |mapping: &&Arc<sgw::convert::Mapping>| {
        let (id, format) = (&mapping.id, mapping.format.name());
        format!(
            "  - {{ id: {id}, organisation: RZZ05, format: {format}, mapping: {id}, lawful-basis: [ca2004-s11] }}"
        )
    };
    Mappings::builtin().all().iter().map(line).collect::<Vec<_>>().join("\n")
}

fn registry() -> Registry {
    let text = HOLDERS.iter().fold(REGISTRY.to_owned(), |text, holder| {
        text.replace(&format!("{{{holder}}}"), &hex::encode(hash(&key_of(holder))))
    });
    let text = text.replace("{every mapping}", &source_of_each_mapping());
    Registry::parse(&text, Path::new("registry.yaml")).unwrap()
}

fn validator() -> Arc<Validator> {
    static VALIDATOR: OnceLock<Arc<Validator>> = OnceLock::new();
    let settings = Settings {
        allow_extensions: sgw::config::Settings::default().gateway.allow_extensions,
        ..Settings::default()
    };
    VALIDATOR.get_or_init(|| Arc::new(Validator::with(Definitions::builtin(), settings))).clone()
}

/// A gateway under test.
pub struct TestGateway {
    pub exchange: Arc<Exchange>,
    pub store: SharedStore,
    pub settings: HttpSettings,
    pub router: Router,
    deliverer: Arc<Deliverer>,
    folder: Option<TempDir>,
}

impl TestGateway {
    /// A gateway with the starter site's sources, partners and agreements.
    pub async fn new() -> TestGateway {
        TestGateway::with(HttpSettings::default()).await
    }

    /// A gateway with other limits.
    pub async fn with(settings: HttpSettings) -> TestGateway {
        TestGateway::on(TempDir::new().unwrap(), settings).await
    }

    async fn on(folder: TempDir, settings: HttpSettings) -> TestGateway {
        let options = Options::at(folder.path().join("sgw.db")).synchronous(Synchronous::Off);
        let store: SharedStore = Arc::new(SqliteStore::open(options, Timestamp::now()).await.unwrap());
        let registry = registry();
        let agreements = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/agreements");
        let policy = Policy::load(&agreements, registry.partners.clone()).unwrap();
        let sources = registry.sources.iter().map(|entry| {
            let format = Format::named(&entry.format).unwrap();
            let mapping = entry.mapping.as_deref().unwrap_or(match format {
                Format::Hl7v2 => "hl7v2-adt",
                Format::Json => "json-alert",
                _ => "fhir-r4",
            });
            let source = Source {
                id: entry.id.clone(),
                organisation: entry.organisation.clone(),
                name: registry.organisation_name(&entry.organisation).unwrap().to_owned(),
                format,
                mapping: mapping.to_owned(),
                lawful_basis: entry.lawful_basis.clone(),
                tier: None,
            };
            Registered { source, mapping: Mappings::builtin().get(mapping).unwrap().clone() }
        });
        let policy = Arc::new(ArcSwap::from_pointee(policy));
        let topics = Arc::new(Topics::builtin().unwrap());
        let identity = audit::Gateway {
            organisation: "RZZ00".into(),
            name: "Test gateway".into(),
            device: "test".into(),
            address: "127.0.0.1".into(),
        };
        let deliverer = Deliverer::start(deliver::Parts {
            store: store.clone(),
            validator: validator(),
            policy: policy.clone(),
            topics: topics.clone(),
            gateway: identity.clone(),
            secrets: ["hub", "ed", "desk"].map(|id| (id.to_owned(), vec![secret()])).into(),
            fhir_base: "http://gateway.test/fhir".into(),
            settings: crate::deliver::house::settings(),
        })
        .await
        .unwrap();
        let exchange = Arc::new(Exchange::new(exchange::Parts {
            store: store.clone(),
            validator: validator(),
            policy,
            topics,
            sources: Sources::new(sources),
            gateway: identity,
            public_url: "http://gateway.test".into(),
            deliverer: deliverer.clone(),
        }));
        let keyring = Keyring::new(registry.credentials.clone());
        let router = sgw::api::router(sgw::api::Parts {
            exchange: exchange.clone(),
            keyring: Arc::new(ArcSwap::from_pointee(keyring)),
            settings: settings.clone(),
            metrics: Some(Arc::new(|| "measured 1\n".to_owned())),
            reload: None,
        });
        TestGateway { exchange, store, settings, router, deliverer, folder: Some(folder) }
    }

    /// The same gateway after a stop and a start, on the same store.
    pub async fn restarted(mut self) -> TestGateway {
        let folder = self.folder.take().unwrap();
        self.deliverer.drain().await;
        self.store.close().await.unwrap();
        let settings = self.settings.clone();
        drop(self);
        TestGateway::on(folder, settings).await
    }

    /// A request to this gateway.
    pub fn request(&self, method: Method, path: &str) -> Ask {
        Ask {
            router: self.router.clone(),
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
    }

    /// A GET of this path with the holder's key.
    pub async fn get(&self, holder: &str, path: &str) -> Reply {
        self.request(Method::GET, path).key(holder).send().await
    }

    /// A POST of a payload with the holder's key.
    pub async fn post(&self, holder: &str, path: &str, media_type: &str, body: impl Into<Body>) -> Reply {
        self.request(Method::POST, path)
            .key(holder)
            .header("content-type", media_type)
            .body(body)
            .send()
            .await
    }

    /// Audit leaves of one kind, the newest first; of all kinds without one.
    pub async fn audits(&self, kind: Option<&str>) -> Vec<Leaf> {
        let query = AuditQuery { kind: kind.map(str::to_owned), limit: 1000, ..AuditQuery::default() };
        self.store.audit_search(query).await.unwrap()
    }
}

/// A request being made.
pub struct Ask {
    router: Router,
    request: http::request::Builder,
    body: Body,
}

impl Ask {
    /// With the holder's key.
    pub fn key(self, holder: &str) -> Ask {
        self.header("authorization", &format!("Bearer {}", key_of(holder)))
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.request = self.request.header(name, value);
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Body>) -> Ask {
        self.body = body.into();
        self
    }

    /// Sends it.
    pub async fn send(self) -> Reply {
        let request = self.request.body(self.body).unwrap();
        let response = self.router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, text, json }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Reply {
    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The stable name of the first issue of an OperationOutcome.
    pub fn rule(&self) -> &str {
        self.json.pointer("/issue/0/details/coding/0/code").and_then(Value::as_str).unwrap_or("")
    }

    /// The place of the first resource of this type in a `transaction-response`: `Type/id/_history/v`.
    pub fn location(&self, resource_type: &str) -> String {
        let entries = self.json["entry"].as_array().unwrap();
        let mut locations = entries.iter().map(|entry| entry["response"]["location"].as_str().unwrap());
        locations.find(|at| at.starts_with(&format!("{resource_type}/"))).unwrap().to_owned()
    }

    /// The same with the status checked, for asserting in a chain.
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

/// A fixture of the conversions.
pub fn fixture(path: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
