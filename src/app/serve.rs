//! `sgw serve`: puts the gateway together from its settings and runs it until it is told to stop.

use super::reload::Reloader;
use super::resume::Unread;
use super::sealing::{SealError, Sealer};
use super::witness::Witnesses;
use super::{COULD_NOT_RUN, complain, say, watch_mappings};
use crate::api::settings::MllpListener;
use crate::api::{self, ReloadError, Reloaded, folder, mllp, server, tls};
use crate::audit;
use crate::config::{ConfigError, Deployment, GatewaySettings};
use crate::definitions::Definitions;
use crate::deliver::webhook::Secret;
use crate::deliver::{self, Deliverer};
use crate::exchange::{self, Exchange};
use crate::fhir::systems;
use crate::route::Topics;
use crate::store::{Options, SharedStore, SqliteStore};
use crate::telemetry::{self, Metrics};
use crate::validate::{self, Validator};
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Runs the gateway until SIGTERM or Ctrl-C, then drains.
#[derive(clap::Args)]
pub struct Args {
    /// The settings file.
    #[arg(long, value_name = "FILE", default_value = "sgw.toml")]
    config: PathBuf,
}

/// Why a gateway could not start, or did not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings, or a file they name, are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something that is put together at start failed: what, and why.
    #[error("{part}: {reason}")]
    Part {
        /// Which part of the gateway.
        part: &'static str,
        /// What it said.
        reason: String,
    },
    /// Requests were under way when the time to drain had passed.
    #[error("the gateway stopped before everything under way had finished")]
    Undrained,
}

fn part<E: std::fmt::Display>(part: &'static str) -> impl Fn(E) -> ServeError {
    move |error| ServeError::Part { part, reason: error.to_string() }
}

/// Runs `sgw serve`. Exit codes: 0 stopped in order, 2 could not start or did not drain.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&part("runtime")(error)),
    };
    match runtime.block_on(until_told_to_stop(&args.config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &ServeError) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(COULD_NOT_RUN)
}

async fn until_told_to_stop(config: &Path) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(part("signals"))?;
    let mut reload = signal(SignalKind::hangup()).map_err(part("signals"))?;
    let deployment = Deployment::load(config)?;
    telemetry::start(&deployment.settings.log).map_err(part("log"))?;
    let running = start(deployment).await?;
    say(&format!("listening for HTTP on {}", running.http()));
    for (source, address) in &running.mllp {
        say(&format!("listening for MLLP on {address} (source {source})"));
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.map_err(part("signals"))?;
                break;
            }
            () = running.disagrees.cancelled() => {
                running.stop().await?;
                let reason = "the log is not the one that was signed; see the log, and `sgw audit verify`".to_owned();
                return Err(ServeError::Part { part: "audit", reason });
            }
            // What is wrong is logged and recorded; the last good configuration stays in force.
            _ = reload.recv() => drop(running.reload("SIGHUP").await),
        }
    }
    running.stop().await
}

/// A gateway that runs.
pub struct Running {
    http: SocketAddr,
    mllp: Vec<(String, SocketAddr)>,
    stop: CancellationToken,
    doors: Vec<JoinHandle<bool>>,
    sealing: JoinHandle<Result<(), SealError>>,
    sealed: CancellationToken,
    deliverer: Arc<Deliverer>,
    store: SharedStore,
    reloader: Arc<Reloader>,
    disagrees: CancellationToken,
}

/// Puts a gateway together and starts it. It listens when this returns.
pub async fn start(deployment: Deployment) -> Result<Running, ServeError> {
    let Deployment { file, settings, registry, policy, sources, keyring } = deployment;
    systems::set_base(&settings.gateway.canonical_base);
    let validator = validator(&settings.gateway)?;
    let options = Options::of(&settings.gateway.database, &settings.store);
    let store: SharedStore =
        Arc::new(SqliteStore::open(options, Timestamp::now()).await.map_err(part("database"))?);
    let sealer = Sealer::open(store.clone(), &settings.audit, &settings.gateway.organisation);
    let mut sealer = sealer.await.map_err(part("audit"))?;
    let unread = sealer.unread();
    let topics = Arc::new(Topics::builtin().map_err(part("topics"))?);
    let policy = Arc::new(ArcSwap::from_pointee(policy));

    let listener = TcpListener::bind(settings.http.listen).await.map_err(part("http.listen"))?;
    let http = listener.local_addr().map_err(part("http.listen"))?;
    let tls = settings.http.tls.as_ref().map(|tls| tls::server_config(tls, &[b"h2", b"http/1.1"]));
    let tls = tls.transpose().map_err(part("http.tls"))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url = settings.http.public_url.clone().unwrap_or_else(|| format!("{scheme}://{http}"));
    let public_url = public_url.trim_end_matches('/').to_owned();
    let gateway = audit::Gateway {
        organisation: settings.gateway.organisation.clone(),
        name: settings.gateway.name.clone(),
        device: "sgw".to_owned(),
        address: http.to_string(),
    };
    let witnesses = Witnesses::of(&settings.audit.witnesses, &settings.deliver, &settings.audit.witness);
    let sealer = match witnesses.map_err(part("audit.witnesses"))? {
        Some(witnesses) => sealer.with_witnesses(witnesses, gateway.clone()).await.map_err(part("audit"))?,
        None => sealer,
    };

    let deliverer = Deliverer::start(deliver::Parts {
        store: store.clone(),
        validator: validator.clone(),
        policy: policy.clone(),
        topics: topics.clone(),
        gateway: gateway.clone(),
        secrets: secrets(&registry.webhook_secrets)?,
        fhir_base: format!("{public_url}/fhir"),
        settings: settings.deliver.clone(),
    })
    .await
    .map_err(part("deliver"))?;
    let parts = exchange::Parts {
        store: store.clone(),
        validator,
        policy,
        topics,
        sources,
        gateway,
        public_url,
        deliverer: deliverer.clone(),
    };
    let exchange = Arc::new(Exchange::new(parts));
    let keyring = Arc::new(ArcSwap::from_pointee(keyring));
    let reloader = Reloader::new(&file, exchange.clone(), keyring.clone(), settings.clone(), registry);
    let reloader = Arc::new(reloader);
    let router = api::router(api::Parts {
        exchange: exchange.clone(),
        keyring,
        settings: settings.http.clone(),
        metrics: metrics().map(|kept| Arc::new(|| kept.render()) as Arc<dyn Fn() -> String + Send + Sync>),
        reload: Some(reload_by_request(reloader.clone())),
    });

    let stop = CancellationToken::new();
    tokio::spawn(fold(stop.clone()));
    let mut doors =
        vec![tokio::spawn(server::serve(listener, tls, router, settings.http.clone(), stop.clone()))];
    let mut mllp = Vec::new();
    for entry in &settings.mllp.listeners {
        let listener = TcpListener::bind(entry.listen).await.map_err(part("mllp.listeners"))?;
        mllp.push((entry.source.clone(), listener.local_addr().map_err(part("mllp.listeners"))?));
        let limits = settings.mllp.clone();
        doors.push(tokio::spawn(mllp_door(listener, entry.clone(), exchange.clone(), limits, stop.clone())));
    }
    let disagrees = CancellationToken::new();
    if let Some(unread) = unread {
        tokio::spawn(look_back(unread, store.clone(), disagrees.clone()));
    }
    tokio::spawn(super::expiry::watch(exchange.clone(), stop.clone()));
    for watched in &settings.folders.watch {
        let watch = folder::open(watched, exchange.clone(), settings.folders.clone(), stop.clone());
        doors.push(tokio::spawn(watch.map_err(part("folders.watch"))?.serve()));
    }
    if settings.gateway.watch_mappings {
        let files = settings.gateway.mappings.clone();
        doors.push(tokio::spawn(watch_mappings::run(files, reloader.clone(), stop.clone())));
    }
    let sealed = CancellationToken::new();
    let sealing = tokio::spawn(sealer.run(sealed.clone()));
    Ok(Running { http, mllp, stop, doors, sealing, sealed, deliverer, store, reloader, disagrees })
}

/// The operator's way to read the configuration again.
fn reload_by_request(reloader: Arc<Reloader>) -> api::Reload {
    Arc::new(move |caller| {
        let reloader = reloader.clone();
        async move { reloader.reload(&caller).await }.boxed()
    })
}

/// Looks at what the start did not read of the audit log; cancels the token when somebody changed the past.
async fn look_back(unread: Unread, store: SharedStore, disagrees: CancellationToken) {
    match unread.look(&store).await {
        Ok(None) => tracing::info!("the whole audit log agrees with what was signed"),
        Ok(Some(finding)) => {
            tracing::error!(finding = %finding, "the audit log does not agree with what was signed");
            disagrees.cancel();
        }
        Err(error) => tracing::warn!(error = %error, "the audit log could not be looked at"),
    }
}

async fn mllp_door(
    listener: TcpListener,
    entry: MllpListener,
    exchange: Arc<Exchange>,
    limits: api::settings::MllpSettings,
    stop: CancellationToken,
) -> bool {
    match mllp::serve(listener, entry, exchange, limits, stop).await {
        Ok(drained) => drained,
        Err(error) => {
            tracing::error!(error = %error, "an MLLP listener ended");
            false
        }
    }
}

/// The validator over the built-in definitions and those that the settings name.
fn validator(gateway: &GatewaySettings) -> Result<Arc<Validator>, ServeError> {
    let limits = validate::Settings {
        allow_extensions: gateway.allow_extensions.clone(),
        ..validate::Settings::default()
    };
    if gateway.definitions.is_empty() {
        return Ok(Arc::new(Validator::with(Definitions::builtin(), limits)));
    }
    let loaded = Definitions::load(&gateway.definitions).map_err(part("definitions"))?;
    for issue in &loaded.issues {
        tracing::warn!(rule = %issue.rule, place = %issue.expression, "{}", issue.text);
    }
    Ok(Arc::new(Validator::with(loaded.definitions, limits)))
}

/// The signing secrets of each partner.
pub(super) fn secrets(
    texts: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Vec<Secret>>, ServeError> {
    let parse = |text: &String| Secret::parse(text).map_err(part("webhook-secrets"));
    texts
        .iter()
        .map(|(id, list)| Ok((id.clone(), list.iter().map(parse).collect::<Result<_, _>>()?)))
        .collect()
}

/// The process's measurements; they are kept once for the process, however many gateways it runs.
fn metrics() -> Option<&'static Metrics> {
    static KEPT: OnceLock<Option<Metrics>> = OnceLock::new();
    KEPT.get_or_init(|| Metrics::start().ok()).as_ref()
}

/// Folds the measurements together while the gateway runs: what is measured stays in memory until that is done, or until
/// somebody asks for it, and not every site has somebody who asks.
async fn fold(stop: CancellationToken) {
    let Some(metrics) = metrics() else { return };
    tokio::select! {
        () = stop.cancelled() => {}
        () = metrics.clone().keep() => {}
    }
}

impl Running {
    /// Where it listens for HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where its first MLLP listener listens, if it has one.
    pub fn mllp(&self) -> Option<SocketAddr> {
        self.mllp.first().map(|(_, address)| *address)
    }

    /// Reads registry, agreements and mappings again; `how` names what asked for it, and is recorded.
    ///
    /// Errors: the files cannot be used, or the change cannot be recorded; what was in force stays in force.
    pub async fn reload(&self, how: &str) -> Result<Reloaded, ReloadError> {
        self.reloader.reload(&self.reloader.host(how)).await
    }

    /// Takes nothing new, lets what is under way finish, then closes the store.
    pub async fn stop(self) -> Result<(), ServeError> {
        self.stop.cancel();
        let mut drained = true;
        for door in self.doors {
            drained &= door.await.unwrap_or(false);
        }
        self.deliverer.drain().await;
        // The last checkpoint covers everything that was done.
        self.sealed.cancel();
        if let Ok(Err(error)) = self.sealing.await {
            tracing::error!(error = %error, "the audit log was not sealed");
        }
        self.store.close().await.map_err(part("database"))?;
        if drained { Ok(()) } else { Err(ServeError::Undrained) }
    }
}
