//! The API over TLS, from the settings file to the answer: HTTP/1.1 and HTTP/2, with and without client certificates.

use crate::durability::site::{BINARY, Gateway, Site};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Version};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The name in the server's certificate.
const NAME: &str = "partner.example";

fn fixture(name: &str) -> String {
    format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A gateway whose HTTP door speaks TLS, and asks for client certificates when it is told to.
fn serve(folder: &Path, clients: bool) -> (Site, Gateway, SocketAddr) {
    let site = Site::init(&folder.join("site"));
    let settings = site.folder.join("sgw.toml");
    let authority =
        if clients { format!(", client_ca = \"{}\"", fixture("clients-ca.pem")) } else { String::new() };
    let tls = format!(
        "[http]\ntls = {{ certificate = \"{}\", key = \"{}\"{authority} }}\n",
        fixture("partner.pem"),
        fixture("partner.key")
    );
    let text = fs::read_to_string(&settings).unwrap().replacen("[http]\n", &tls, 1);
    fs::write(&settings, text).unwrap();
    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    let address = gateway.base.strip_prefix("http://").unwrap().parse().unwrap();
    (site, gateway, address)
}

fn builder(address: SocketAddr) -> ClientBuilder {
    // Another test may have chosen the same provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Certificate::from_pem(&fs::read(fixture("ca.pem")).unwrap()).unwrap();
    Client::builder()
        .timeout(Duration::from_secs(20))
        .tls_certs_only([authority])
        .resolve(NAME, address)
        .pool_max_idle_per_host(4)
}

fn identity(certificate: &str, key: &str) -> Identity {
    let pem = [fs::read(fixture(certificate)).unwrap(), fs::read(fixture(key)).unwrap()].concat();
    Identity::from_pem(&pem).unwrap()
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("https://{NAME}:{}{path}", address.port())
}

async fn submit(client: &Client, site: &Site, address: SocketAddr, name: &str) -> (u16, Version) {
    let request = client.post(url(address, "/submissions/ehr")).bearer_auth(site.secret("ehr.key"));
    let request = request.header("content-type", "application/json").body(site.alert(name, "9000000017"));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.version())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submissions_come_over_tls_with_both_versions_of_http() {
    let folder = tempfile::tempdir().unwrap();
    let (site, gateway, address) = serve(folder.path(), false);
    let second = builder(address).http2_prior_knowledge().build().unwrap();
    assert_eq!(submit(&second, &site, address, "two").await, (201, Version::HTTP_2));
    let first = builder(address).http1_only().build().unwrap();
    assert_eq!(submit(&first, &site, address, "one").await, (201, Version::HTTP_11));
    // Many at once over one connection of HTTP/2: each has its own answer.
    let names: Vec<String> = (0..16).map(|number| format!("stream-{number}")).collect();
    let all = names.iter().map(|name| submit(&second, &site, address, name));
    for (status, version) in futures_util::future::join_all(all).await {
        assert!(matches!(status, 201 | 200), "{status}");
        assert_eq!(version, Version::HTTP_2);
    }
    let metadata = second.get(url(address, "/fhir/metadata")).send().await.unwrap();
    let said: serde_json::Value = serde_json::from_slice(&metadata.bytes().await.unwrap()).unwrap();
    assert!(said["implementation"]["url"].as_str().unwrap().starts_with("https://"), "{said}");

    let stranger = Client::builder().resolve(NAME, address).build().unwrap();
    let refused = stranger.get(url(address, "/healthz")).send().await;
    assert!(refused.is_err(), "a client that does not trust the authority does not talk");
    let clear = stranger.get(format!("http://{address}/healthz")).send().await;
    assert!(clear.is_err() || clear.unwrap().status().is_client_error(), "nothing is served in clear");
    gateway.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_certificates_are_asked_for_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (site, gateway, address) = serve(folder.path(), true);
    let known = builder(address).identity(identity("client.pem", "client.key")).build().unwrap();
    assert_eq!(submit(&known, &site, address, "known").await.0, 201);
    // A certificate is no credential: the key is still needed.
    let keyless = known.post(url(address, "/submissions/ehr")).body("{}").send().await.unwrap();
    assert_eq!(keyless.status().as_u16(), 401);
    let without = builder(address).build().unwrap();
    assert!(without.get(url(address, "/healthz")).send().await.is_err(), "no certificate, no answer");
    // A server's certificate, by another authority, and not for clients.
    let foreign = builder(address).identity(identity("partner.pem", "partner.key")).build().unwrap();
    assert!(foreign.get(url(address, "/healthz")).send().await.is_err(), "a foreign certificate is refused");
    gateway.stop();
}

#[test]
fn a_key_that_does_not_fit_its_certificate_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::init(&folder.path().join("site"));
    let settings = site.folder.join("sgw.toml");
    let tls = format!(
        "[http]\ntls = {{ certificate = \"{}\", key = \"{}\" }}\n",
        fixture("partner.pem"),
        fixture("client.key")
    );
    let text = fs::read_to_string(&settings).unwrap().replacen("[http]\n", &tls, 1);
    fs::write(&settings, text).unwrap();
    let output = Command::new(BINARY).args(["serve", "--config"]).arg(&settings).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("http.tls") && said.contains("certificate"), "{said}");
}
