//! Where notifications go, and where they never go.

use super::house::{House, secret, settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sgw::deliver::receiver::{Answering, Receiver, Reply};
use sgw::deliver::{Deliverer, Settings};
use sgw::store::{IntentQuery, IntentState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_never_followed() {
    let house = House::new().await;
    let canary = Receiver::start(vec![secret()]).await.unwrap();
    let elsewhere = canary.endpoint();
    let answering: Answering = Arc::new(move |received, _| match received.parameter("type") {
        Some("event-notification") => Reply::status(307).header("location", elsewhere.clone()),
        _ => Reply::status(200),
    });
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "full-resource").await;
    let deliverer = house.deliver(settings()).await;
    house.wait_status("s", "active").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    while receiver.received().len() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    deliverer.drain().await;
    assert_eq!(canary.received().len(), 0);
    let query = IntentQuery { subscription: Some("s".into()), limit: 1, ..IntentQuery::default() };
    let intent = house.store.intents(query).await.unwrap().remove(0);
    assert_eq!((intent.state, intent.reason.as_deref()), (IntentState::Ready, Some("redirect")));
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_is_out_of_reach_unless_the_settings_allow_it() {
    let house = House::new().await;
    let canary = Receiver::start(vec![secret()]).await.unwrap();
    let named = format!("http://partner.example:{}/", canary.address().port());
    house.subscribe("literal", "hub", &canary.endpoint(), "id-only").await;
    house.subscribe("named", "hub", &named, "id-only").await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = lookups.clone();
    let lookup: sgw::deliver::egress::Lookup = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(vec!["127.0.0.1:0".parse().unwrap()]) })
    });
    let parts = house.parts(Settings { allow_loopback: false, ..settings() });
    let deliverer = Deliverer::start_with(parts, lookup).await.unwrap();
    house.wait_status("literal", "error").await;
    house.wait_status("named", "error").await;
    assert_eq!(lookups.load(Ordering::SeqCst), 1, "the name was resolved, by the guard");
    for id in ["literal", "named"] {
        assert_eq!(house.state(id).await.last_error.as_deref(), Some("handshake-egress-refused"), "{id}");
    }
    assert_eq!((canary.received().len(), canary.refused()), (0, 0));
    deliverer.drain().await;
}

/// A name that is honest at the handshake and points inside afterwards: the new address is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_turns_inward_after_the_handshake_reaches_nothing() {
    let house = House::new().await;
    let answering: Answering = Arc::new(|_, _| Reply::status(200).header("connection", "close"));
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let lookup: sgw::deliver::egress::Lookup = Arc::new(move |_| {
        let inward = counted.fetch_add(1, Ordering::SeqCst) > 0;
        Box::pin(async move {
            Ok(vec![if inward { "169.254.169.254:0" } else { "127.0.0.1:0" }.parse().unwrap()])
        })
    });
    house
        .subscribe("s", "hub", &format!("http://partner.example:{}/", receiver.address().port()), "id-only")
        .await;
    let deliverer = Deliverer::start_with(house.parts(settings()), lookup).await.unwrap();
    house.wait_status("s", "active").await;
    house.flag("local:p|1", "f1", &["s"]).await;
    while calls.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    deliverer.drain().await;
    assert_eq!(receiver.received().len(), 1, "the handshake only");
    let query = IntentQuery { subscription: Some("s".into()), limit: 1, ..IntentQuery::default() };
    assert_eq!(house.store.intents(query).await.unwrap()[0].reason.as_deref(), Some("egress-refused"));
}

/// An answer that is far too long, or never ends, is not read to its end; the delivery counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_cut_off() {
    let house = House::new().await;
    let answering: Answering = Arc::new(|_, _| Reply { body: vec![b'x'; 20_000_000], ..Reply::status(200) });
    let receiver = Receiver::start_at("127.0.0.1:0", vec![secret()], answering).await.unwrap();
    house.subscribe("s", "hub", &receiver.endpoint(), "id-only").await;
    let deliverer = house.deliver(settings()).await;
    for n in 0..5 {
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &["s"]).await;
    }
    assert!(receiver.wait_for(5, Duration::from_secs(10)).await);
    house.wait_state("s", IntentState::Delivered, 5).await;
    deliverer.drain().await;
}

/// A TLS endpoint in front of a receiver, with the certificate of `partner.example`.
async fn secured(receiver: SocketAddr) -> SocketAddr {
    let folder = format!("{}/fixtures/tls", env!("CARGO_MANIFEST_DIR"));
    let chain =
        CertificateDer::pem_file_iter(format!("{folder}/partner.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/partner.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(receiver).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inside).await;
            });
        }
    });
    address
}

/// Over TLS, with the name checked against the certificate and the certificate against the authorities trusted.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_must_be_of_a_trusted_authority_and_of_the_name() {
    let house = House::new().await;
    let receiver = Receiver::start(vec![secret()]).await.unwrap();
    let port = secured(receiver.address()).await.port();
    let lookup = || -> sgw::deliver::egress::Lookup {
        Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1:0".parse().unwrap()]) }))
    };
    house.subscribe("right", "hub", &format!("https://partner.example:{port}/"), "id-only").await;
    house.subscribe("other-name", "hub", &format!("https://evil.example:{port}/"), "id-only").await;
    let authority = format!("{}/fixtures/tls/ca.pem", env!("CARGO_MANIFEST_DIR")).into();
    let trusting = Settings { allow_http: false, extra_authorities: vec![authority], ..settings() };
    let deliverer = Deliverer::start_with(house.parts(trusting), lookup()).await.unwrap();
    house.wait_status("right", "active").await;
    house.wait_status("other-name", "error").await;
    house.flag("local:p|1", "f1", &["right"]).await;
    assert!(receiver.wait_for(1, Duration::from_secs(10)).await);
    deliverer.drain().await;
    house.subscribe("untrusted", "hub", &format!("https://partner.example:{port}/"), "id-only").await;
    let deliverer = Deliverer::start_with(house.parts(settings()), lookup()).await.unwrap();
    house.wait_status("untrusted", "error").await;
    assert_eq!(house.state("untrusted").await.last_error.as_deref(), Some("handshake-no-connection"));
    assert_eq!(receiver.received().len(), 2, "one handshake and one event");
    deliverer.drain().await;
}
