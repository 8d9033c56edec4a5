use super::*;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../fixtures/egress/vectors.json")).unwrap()
}

#[test]
fn every_vector_is_judged_as_the_table_says() {
    let vectors = vectors();
    let (addresses, endpoints) =
        (vectors["addresses"].as_array().unwrap(), vectors["endpoints"].as_array().unwrap());
    assert!(addresses.len() + endpoints.len() >= 60);
    for vector in addresses {
        let address: IpAddr = vector["address"].as_str().unwrap().parse().unwrap();
        assert_eq!(refusal(address), vector["refused"].as_str(), "{vector}");
    }
    for vector in endpoints {
        let name = Rules::default().check_endpoint(vector["endpoint"].as_str().unwrap()).err().map(|error| {
            match error {
                EgressError::NotAUrl => "not-a-url",
                EgressError::Scheme => "scheme",
                EgressError::Credentials => "credentials",
                EgressError::Address(kind) => kind,
                EgressError::Unresolved => "unresolved",
            }
        });
        assert_eq!(name, vector["refused"].as_str(), "{vector}");
    }
}

#[test]
fn the_settings_open_what_they_name_and_nothing_else() {
    let settings = Settings {
        allow_http: true,
        allow_loopback: true,
        allowed_networks: vec!["10.20.0.0/16".into(), "fd00::/8".into(), "169.254.0.0/16".into()],
        ..Settings::default()
    };
    let rules = Rules::of(&settings).unwrap();
    for (endpoint, allowed) in [
        ("http://127.0.0.1:8080/", true),
        ("http://[::1]/", true),
        ("http://[::ffff:127.0.0.1]/", true),
        ("https://10.20.3.4/", true),
        ("https://[::ffff:10.20.3.4]/", true),
        ("https://10.21.3.4/", false),
        ("https://[fd01::1]/", true),
        ("https://[fc01::1]/", false),
        ("https://169.254.1.1/", true),
        ("https://169.254.169.254/", false),
        ("https://[fd00:ec2::254]/", false),
        ("https://0.0.0.0/", false),
        ("ftp://127.0.0.1/", false),
    ] {
        assert_eq!(rules.check_endpoint(endpoint).is_ok(), allowed, "{endpoint}");
    }
    for network in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", ""] {
        let settings = Settings { allowed_networks: vec![network.into()], ..Settings::default() };
        assert_eq!(Rules::of(&settings).unwrap_err(), SettingsError::Network(network.into()));
    }
    assert!(Network::parse("0.0.0.0/0").is_some_and(|all| all.holds("9.9.9.9".parse().unwrap())));
}

/// A name that answers with a public address first and a private one later is checked each time it is resolved, and
/// the answer that was checked is the one that is used: there is no second look-up to win.
#[tokio::test]
async fn a_name_that_changes_its_address_is_refused() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        let address = if call == 0 { "8.8.8.8:0" } else { "169.254.169.254:0" };
        Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
    });
    let guard = GuardedResolver::new(Rules::default(), lookup);
    assert_eq!(guard.addresses("rebind.example".into()).await.unwrap(), ["8.8.8.8:0".parse().unwrap()]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(guard.addresses("rebind.example".into()).await, Err(EgressError::Address("metadata")));
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_the_name() {
    let lookup: Lookup = Arc::new(|_| {
        Box::pin(async { Ok(vec!["8.8.8.8:0".parse().unwrap(), "10.0.0.1:0".parse().unwrap()]) })
    });
    let guard = GuardedResolver::new(Rules::default(), lookup);
    assert_eq!(guard.addresses("mixed.example".into()).await, Err(EgressError::Address("private")));
    let nothing: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![]) }));
    let guard = GuardedResolver::new(Rules::default(), nothing);
    assert_eq!(guard.addresses("none.example".into()).await, Err(EgressError::Unresolved));
}
