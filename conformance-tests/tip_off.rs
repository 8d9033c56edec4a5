//! "No record" and "not permitted" are one answer: status, headers and body, and as far as statistics can tell, time.
//!
//! The timings are taken over real HTTP from the real binary and compared by the Mann-Whitney and the
//! Kolmogorov-Smirnov test. Both are reported; on a machine that does other things too only a gross difference fails.

use crate::exchange::submissions::{FHIR, flag as alert};
use crate::gateway::{Reply, TestGateway, key_of};
use serde_json::{Value, json};
use sgw::fhir::systems;
use std::time::Instant;

/// What of an answer the caller can see, save what names the request itself.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.as_str() != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (reply.status.as_u16(), headers, reply.text.clone())
}

async fn hidden(gateway: &TestGateway) -> String {
    let mut flag = alert();
    flag["meta"] = json!({"security": [{"system": systems::CONFIDENTIALITY, "code": "V"}]});
    let made = gateway.post("scr", "/fhir/Flag", FHIR, flag.to_string()).await.expect(201);
    made.json["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_record_and_not_permitted_are_the_same_answer_at_every_door() {
    let gateway = TestGateway::new().await;
    let id = hidden(&gateway).await;
    let none = "019aa000-0000-7000-8000-000000000000";
    for path in ["/fhir/Flag/ID", "/fhir/Flag/ID/_history/1", "/fhir/Flag/ID/_history", "/fhir/Task/ID"] {
        let there = gateway.get("ed", &path.replace("ID", &id)).await.expect(404);
        let not = gateway.get("ed", &path.replace("ID", none)).await.expect(404);
        assert_eq!(seen(&there), seen(&not), "{path}");
    }
    let total = |reply: Reply| {
        let mut json = reply.expect(200).json;
        json["id"] = Value::Null;
        json["link"] = Value::Null;
        json.to_string()
    };
    for query in ["_id=ID", "identifier=ID", "patient.identifier=https://fhir.nhs.uk/Id/nhs-number%7CNUMBER"]
    {
        let asked = |id: &str, number: &str| {
            format!("/fhir/Flag?{query}").replace("ID", id).replace("NUMBER", number)
        };
        let there = total(gateway.get("ed", &asked(&id, "9000000009")).await);
        let not = total(gateway.get("ed", &asked(none, "9000000017")).await);
        assert_eq!(there, not, "{query}");
    }
}

/// The two-sided p-values of Mann-Whitney (normal approximation) and of Kolmogorov-Smirnov (asymptotic).
fn tests(one: &[f64], other: &[f64]) -> (f64, f64) {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let mut all: Vec<(f64, bool)> =
        one.iter().map(|x| (*x, true)).chain(other.iter().map(|x| (*x, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 =
        all.iter().enumerate().filter(|(_, (_, first))| *first).map(|(at, _)| at as f64 + 1.0).sum();
    let u = ranks - n * (n + 1.0) / 2.0;
    let z = (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    let (mut a, mut b, mut gap) = (0.0, 0.0, 0.0_f64);
    for (_, first) in &all {
        if *first {
            a += 1.0 / n;
        } else {
            b += 1.0 / m;
        }
        gap = gap.max((a - b).abs());
    }
    let root = (n * m / (n + m)).sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * gap;
    let tail: f64 = (1..100)
        .map(|k| {
            let k = f64::from(k);
            2.0 * (-1.0_f64).powf(k - 1.0) * (-2.0 * k * k * lambda * lambda).exp()
        })
        .sum();
    (2.0 * (1.0 - normal(z.abs())), tail.clamp(0.0, 1.0))
}

/// The standard normal distribution (Abramowitz and Stegun 26.2.17).
fn normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let poly = t
        * (0.319_381_53
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    1.0 - poly * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn the_statistics_tell_what_differs_from_what_does_not() {
    let noise = |seed: u64, shift: f64| -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..2_000).map(|_| next() + next() + shift).collect()
    };
    let (u, ks) = tests(&noise(1, 0.0), &noise(2, 0.0));
    assert!(u > 0.01 && ks > 0.01, "{u} {ks}");
    let (u, ks) = tests(&noise(1, 0.0), &noise(2, 0.1));
    assert!(u < 0.001 && ks < 0.001, "{u} {ks}");
}

fn quantile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Set `SGW_TIMING_READS` for more reads than the few thousand of every run.
fn reads(usual: usize) -> usize {
    std::env::var("SGW_TIMING_READS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// Asks over real HTTP for what is hidden and for what is not there, in turns, and compares how long it takes.
async fn compare(
    gateway: &TestGateway,
    what: &str,
    reads: usize,
    path: impl Fn(bool) -> String,
    status: u16,
) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir/", listener.local_addr().unwrap());
    let router = gateway.router.clone();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let client = reqwest::Client::new();
    let key = key_of("ed");
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..reads + 50 {
        // Which of the two comes first alternates, so that neither warms the way for the other.
        for side in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            let asked = format!("{base}{}", path(side == 0));
            let begun = Instant::now();
            let answer = client.get(asked).bearer_auth(&key).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            let _body = answer.bytes().await.unwrap();
            if number >= 50 {
                times[side].push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    server.abort();
    let (mann_whitney, kolmogorov) = tests(&times[0], &times[1]);
    let of = |times: &[f64]| [0.1, 0.5, 0.9, 0.99].map(|share| quantile(times, share).round());
    println!("tip-off timing of {what}, {reads} each, in microseconds at 10/50/90/99 %:");
    println!("  not permitted {:?}", of(&times[0]));
    println!("  no record     {:?}", of(&times[1]));
    println!("  Mann-Whitney p = {mann_whitney:.3}, Kolmogorov-Smirnov p = {kolmogorov:.3}");
    let (there, not) = (quantile(&times[0], 0.5), quantile(&times[1], 0.5));
    assert!((there - not).abs() < 0.25 * not, "{what}: the medians are {there} and {not} microseconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_an_answer_does_not_tell_whether_there_is_a_record() {
    let gateway = TestGateway::new().await;
    let id = hidden(&gateway).await;
    let other = || uuid::Uuid::now_v7().to_string();
    let path = |there: bool| format!("Flag/{}", if there { id.clone() } else { other() });
    compare(&gateway, "a read", reads(1_000), path, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_search_does_not_tell_whether_there_is_a_record() {
    let gateway = TestGateway::new().await;
    // Several records that the caller may not have, so that there is more to do than for nobody.
    for number in 0..5 {
        let mut flag = alert();
        flag["identifier"][0]["value"] = format!("T-{number}").into();
        flag["meta"] = json!({"security": [{"system": systems::CONFIDENTIALITY, "code": "V"}]});
        gateway.post("scr", "/fhir/Flag", FHIR, flag.to_string()).await.expect(201);
    }
    let path = |there: bool| {
        let number = if there { "9000000009" } else { "9000000017" };
        format!("Flag?patient.identifier=https://fhir.nhs.uk/Id/nhs-number%7C{number}")
    };
    compare(&gateway, "a search", reads(500), path, 200).await;
}
