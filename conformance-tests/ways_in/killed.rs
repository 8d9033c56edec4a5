//! The real binary, killed in the middle of files that were left in a watched folder, and started again.

use super::folder::{Ended, ended, plans};
use crate::durability::site::{BINARY, Gateway, Site};
use sgw::store::{AuditQuery, SqliteStore, Store};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

const KILLS: u64 = 12;
const ALERTS: usize = 40;
const ROWS: usize = 400;

/// The site with a second source that sends tables, and a folder for each.
fn site(folder: &std::path::Path) -> Site {
    let site = Site::init(folder);
    let registry = folder.join("registry.yaml");
    let text = fs::read_to_string(&registry).unwrap();
    let source = "sources:\n  - { id: council, organisation: RZZ03, format: csv, mapping: ssd-cp-plans, lawful-basis: [ca2004-s11] }\n";
    fs::write(&registry, text.replacen("sources:\n", source, 1)).unwrap();
    let settings = folder.join("sgw.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let watch = "watch = [{ source = \"ehr\", path = \"inbox/ehr\" }, { source = \"council\", path = \"inbox/council\" }]";
    let text = text
        .replace("poll_milliseconds = 1000", "poll_milliseconds = 10")
        .replace("settle_milliseconds = 2000", "settle_milliseconds = 20")
        .lines()
        .map(|line| if line.starts_with("# ?watch = ") { watch } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(&settings, text).unwrap();
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_taken_exactly_once_although_the_gateway_is_killed_in_the_middle_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(&folder.path().join("site"));
    let (alerts, tables) = (site.folder.join("inbox/ehr"), site.folder.join("inbox/council"));
    fs::create_dir_all(&alerts).unwrap();
    fs::create_dir_all(&tables).unwrap();
    for number in 0..ALERTS {
        // As a supplier should: written under another name, then renamed.
        let part = alerts.join(format!("alert-{number}.json.part"));
        fs::write(&part, site.alert(&format!("folder-{number}"), "9000000009")).unwrap();
        fs::rename(&part, part.with_extension("")).unwrap();
    }
    let names: Vec<String> = (0..ROWS).map(|number| format!("PLAN-{number}")).collect();
    let rows: Vec<(&str, &str)> = names.iter().map(|name| ("9000000017", name.as_str())).collect();
    fs::write(tables.join("plans.csv"), plans(&rows)).unwrap();

    let mut interrupted = 0;
    for kill in 0..KILLS {
        let mut gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
        tokio::time::sleep(Duration::from_millis(40 + 25 * kill)).await;
        gateway.child.kill().unwrap();
        gateway.child.wait().unwrap();
        let under_way = |folder: &std::path::Path| fs::read_dir(folder.join("work")).unwrap().count();
        interrupted += usize::from(under_way(&alerts) + under_way(&tables) > 0);
    }
    let gateway = Gateway::listening(site.serve(&mut Command::new(BINARY))).expect("it starts");
    let begun = Instant::now();
    let results = loop {
        let files: Vec<Ended> =
            (0..ALERTS).flat_map(|number| ended(&alerts, &format!("alert-{number}.json"))).collect();
        let table = ended(&tables, "plans.csv");
        if files.len() >= ALERTS && !table.is_empty() {
            break files.into_iter().chain(table).collect::<Vec<_>>();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{} alerts", files.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    gateway.stop();
    let repeated = results.iter().flat_map(|file| file.outcomes()).filter(|one| *one == "repeated").count();
    eprintln!("{KILLS} kills, {interrupted} of them with files under way, {repeated} records recognised");
    assert!(interrupted > 0, "no kill met a file under way");
    assert_eq!(results.len(), ALERTS + 1, "each file ended once");
    assert!(results.iter().all(|file| file.folder == "done"), "{results:?}");
    let records: usize = results.iter().map(|file| file.outcomes().len()).sum();
    assert_eq!(records, ALERTS + ROWS, "each record has one line");

    let store = SqliteStore::open_read_only(site.folder.join("sgw.db")).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let flags = store.list("Flag", None, 10_000).await.unwrap();
    assert_eq!(flags.len(), ALERTS + ROWS, "each record made its Flag");
    assert!(flags.iter().all(|flag| flag.version == 1), "and none was made twice");
    let made: BTreeSet<String> = results
        .iter()
        .flat_map(|file| &file.lines)
        .flat_map(|line| line["made"].as_array().cloned().unwrap_or_default())
        .filter_map(|place| place.as_str()?.strip_prefix("Flag/")?.split('/').next().map(str::to_owned))
        .collect();
    assert_eq!(made, flags.into_iter().map(|flag| flag.id).collect(), "the results name what is stored");
    let provenances = store.list("Provenance", None, 10_000).await.unwrap();
    assert_eq!(provenances.len(), ALERTS + ROWS, "each record was submitted with effect once");
    let query = AuditQuery { kind: Some("submission".into()), limit: 10_000, ..AuditQuery::default() };
    let submissions = store.audit_search(query).await.unwrap();
    assert_eq!(submissions.len(), ALERTS + ROWS + repeated, "a repeat is recorded as one");
    store.close().await.unwrap();
}
