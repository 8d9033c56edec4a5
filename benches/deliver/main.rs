//! Signed notifications to 100 loopback subscribers: how many a second, and what 20 that hang cost the others.
//!
//! `cargo bench --bench deliver`. Store, deciding, signing, sending, the receivers themselves (which verify nothing, to
//! be cheap) and recording all share the machine's cores. The store syncs to the disk as in production.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a bench may fail loudly, and speaks to the terminal"
)]

#[path = "../../conformance-tests/deliver/house.rs"]
mod house;
mod sink;

use house::House;
use sgw::deliver::Settings;
use sgw::store::{IntentState, Synchronous};
use sink::Sink;
use std::time::{Duration, Instant};

const SUBSCRIBERS: usize = 100;
const HUNG: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        throughput().await;
        bulkhead().await;
    });
}

fn production() -> Settings {
    Settings { allow_http: true, allow_loopback: true, ..Settings::default() }
}

async fn subscribers(house: &House, hung: usize) -> (Vec<Sink>, Vec<String>) {
    let mut sinks = Vec::new();
    let mut names = Vec::new();
    for n in 0..SUBSCRIBERS {
        let sink = Sink::start(n < hung).await;
        let name = format!("s{n}");
        house.subscribe(&name, "hub", &sink.endpoint(), "full-resource").await;
        sinks.push(sink);
        names.push(name);
    }
    (sinks, names)
}

/// A queue of events for all subscribers, from the start of the deliverer until all are received and recorded.
async fn throughput() {
    let house = House::with(Synchronous::Full).await;
    let (sinks, names) = subscribers(&house, 0).await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let deliverer = house.deliver(production()).await;
    for name in &names {
        house.wait_status(name, "active").await;
    }
    deliverer.drain().await;
    let events = 400;
    for n in 0..events {
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &names).await;
    }
    let begun = Instant::now();
    let deliverer = house.deliver(production()).await;
    let all = SUBSCRIBERS * events;
    while sinks.iter().map(Sink::count).sum::<usize>() < all + SUBSCRIBERS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let received = begun.elapsed();
    loop {
        let open: u64 = house.store.queue_counts().await.unwrap().iter().map(|count| count.count).sum();
        if open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let recorded = begun.elapsed();
    assert_eq!(house.count("s0", IntentState::Delivered).await, events);
    println!(
        "throughput: {all} notifications to {SUBSCRIBERS} subscribers received in {received:.2?}, recorded in {recorded:.2?}: {:.0} a second",
        all as f64 / recorded.as_secs_f64()
    );
    deliverer.drain().await;
}

/// Live traffic: the time from the commit of an event until it is received, with and without partners that hang.
async fn bulkhead() {
    let without = latency(0).await;
    let with = latency(HUNG).await;
    for (name, (p50, p99)) in [("none hung", without), ("20 hung", with)] {
        println!("latency, {name}: p50 {p50:.2?}, p99 {p99:.2?}");
    }
    println!(
        "bulkhead: p99 of the others with {HUNG} of {SUBSCRIBERS} hung = {:.2} x",
        with.1.as_secs_f64() / without.1.as_secs_f64()
    );
}

async fn latency(hung: usize) -> (Duration, Duration) {
    let house = House::with(Synchronous::Full).await;
    let (sinks, names) = subscribers(&house, hung).await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let deliverer = house.deliver(Settings { timeout_seconds: 5, ..production() }).await;
    for name in &names {
        house.wait_status(name, "active").await;
    }
    // The same load on those that answer in both runs: the first 20 are left out without hung partners.
    let told: Vec<&str> = if hung == 0 { names[HUNG..].to_vec() } else { names.clone() };
    for n in 0..200 {
        house.flag(&format!("local:p|{n}"), &format!("f{n}"), &told).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let expected = (SUBSCRIBERS - HUNG) * 200;
    let well = &sinks[HUNG..];
    while well.iter().map(Sink::count).sum::<usize>() < expected + well.len() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut times: Vec<Duration> = well.iter().flat_map(Sink::times).collect();
    times.sort_unstable();
    deliverer.drain().await;
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
