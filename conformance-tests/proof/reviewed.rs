//! The review pack of the demonstration's month: its numbers against a count of the exported log by other code, its
//! records against `sgw-verify`, its page in a browser, and what is left of it for sharing.

use super::{demonstrated, details, sgw, sgw_verify};
use crate::gateway::TestGateway;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

type Counts = BTreeMap<(String, String), u64>;

/// The numbers of one table of `review.json`, by first label and column, without sums and zeros.
fn stated(pack: &Value, id: &str) -> Counts {
    let sections = pack["sections"].as_array().unwrap();
    let table = sections
        .iter()
        .flat_map(|section| section["tables"].as_array().unwrap())
        .find(|table| table["id"] == id)
        .unwrap_or_else(|| panic!("there is a table {id}"));
    let columns: Vec<&str> =
        table["columns"].as_array().unwrap().iter().map(|column| column.as_str().unwrap()).collect();
    let mut counts = Counts::new();
    for row in table["rows"].as_array().unwrap() {
        for (column, cell) in columns.iter().zip(row["cells"].as_array().unwrap()) {
            let (count, listed) = (cell["count"].as_u64().unwrap(), cell["records"].as_array());
            assert_eq!(listed.map_or(0, Vec::len) as u64, count, "{id}: a number leads to its records");
            if count > 0 && *column != "all" {
                counts.insert((row["labels"][0].as_str().unwrap().to_owned(), (*column).to_owned()), count);
            }
        }
    }
    counts
}

/// Counts the exported log again. Shares no code with the gateway: only the documented members of an event.
fn counted(log: &[(Value, Value)]) -> BTreeMap<&'static str, Counts> {
    let mut all: BTreeMap<&'static str, Counts> = BTreeMap::new();
    let mut add = |table: &'static str, row: &str, column: &str| {
        let row = if row.is_empty() { "none" } else { row };
        *all.entry(table).or_default().entry((row.to_owned(), column.to_owned())).or_default() += 1;
    };
    for (leaf, event) in log {
        let act = leaf["act"].as_str().unwrap();
        add("acts", act, "records");
        let first = |name: &str| details(event, name).first().copied().unwrap_or("");
        let organisation = leaf["recipient"].as_str().unwrap_or("");
        let outcome = first("outcome");
        let own = details(event, "rule").iter().any(|rule| *rule == "own-record" || *rule == "auditor");
        if matches!(act, "decision" | "read")
            && !outcome.is_empty()
            && first("recipient") != "gateway"
            && !own
        {
            add("by-tier", first("tier"), outcome);
            add("by-organisation", organisation, outcome);
            add("by-purpose", event["purposeOfEvent"][0]["coding"][0]["code"].as_str().unwrap(), outcome);
            for (table, name) in [("by-category", "category"), ("by-basis", "lawful-basis")] {
                let values = details(event, name);
                values.iter().for_each(|value| add(table, value, outcome));
                if values.is_empty() {
                    add(table, "", outcome);
                }
            }
            if outcome == "withhold" {
                details(event, "reason").iter().for_each(|reason| add("reasons", reason, organisation));
            }
        }
        if act == "disclosure" {
            let how = if first("subscription").is_empty() { "read" } else { "notified" };
            add("disclosed-to", organisation, how);
        }
        if act == "submission" {
            add("intake", first("source"), "taken in");
        }
        if act == "submission-refused" {
            add("intake", first("source"), "refused");
        }
    }
    all
}

fn month() -> String {
    jiff::Timestamp::now().to_string()[..7].to_owned()
}

#[test]
fn the_totals_of_a_review_pack_are_those_of_an_independent_count_and_every_record_is_proved() {
    let site = demonstrated();
    let out = site.text("review");
    let month = month();
    let (code, said) = sgw(&["review", "--period", &month, "--out", &out, "--config", &site.config()]);
    assert_eq!(code, 0, "{said}");
    let pack: Value =
        serde_json::from_str(&std::fs::read_to_string(site.path("review/review.json")).unwrap()).unwrap();
    assert_eq!(pack["log"]["leaves"].as_u64().unwrap(), site.log.len() as u64);
    let counted = counted(&site.log);
    for table in [
        "acts",
        "by-tier",
        "by-organisation",
        "by-purpose",
        "by-category",
        "by-basis",
        "reasons",
        "disclosed-to",
        "intake",
    ] {
        assert_eq!(stated(&pack, table), counted[table], "{table}");
        assert!(!counted[table].is_empty(), "{table}");
    }
    let withheld: u64 = counted["by-tier"].iter().filter(|((_, o), _)| o == "withhold").map(|(_, n)| n).sum();
    let figures = stated(&pack, "key-figures");
    assert_eq!(figures[&("of these withheld".to_owned(), "number".to_owned())], withheld);

    let ids: Vec<&String> = pack["records"].as_object().unwrap().keys().collect();
    let files: Vec<String> =
        ids.iter().map(|id| site.text(&format!("review/records/proof-{id}.json"))).collect();
    assert!(ids.len() > 40);
    let mut arguments = vec!["proof", "--key"];
    let key = site.key();
    arguments.push(&key);
    arguments.extend(files.iter().map(String::as_str));
    let (code, said) = sgw_verify(&arguments);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches(": proved: leaf ").count(), ids.len());

    let sheet = std::fs::read_to_string(site.path("review/review.csv")).unwrap();
    assert!(sheet.starts_with("section,table,row,column,count,withheld\r\n"));
    let records = std::fs::read_to_string(site.path("review/records.csv")).unwrap();
    assert!(records.lines().count() > ids.len());
    let quarter = site.text("quarter");
    let named = format!("{}-Q{}", &month[..4], (month[5..].parse::<u32>().unwrap() - 1) / 3 + 1);
    let (code, said) =
        sgw(&["review", "--period", &named, "--out", &quarter, "--no-proofs", "--config", &site.config()]);
    assert_eq!(code, 0, "{said}");
    let (code, _) = sgw(&["review", "--period", "2026-13", "--out", &quarter, "--config", &site.config()]);
    assert_eq!(code, 2);
}

#[test]
fn a_review_pack_opens_in_a_browser_with_its_charts_and_tables() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    }) else {
        println!("skipped: there is no Chromium on this machine");
        return;
    };
    let site = demonstrated();
    let out = site.text("browser");
    let (code, said) =
        sgw(&["review", "--period", &month(), "--out", &out, "--no-proofs", "--config", &site.config()]);
    assert_eq!(code, 0, "{said}");
    let page = format!("file://{out}/review.html");
    let profile = site.text("profile");
    let open = |arguments: &[&str]| {
        let mut command = Command::new(browser);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={profile}")).args(arguments).arg(&page);
        command.output().unwrap()
    };
    let dom = String::from_utf8_lossy(&open(&["--dump-dom"]).stdout).into_owned();
    for part in
        ["<h2 id=\"sharing\">", "role=\"img\"", "<table id=\"table-by-tier\">", "safeguarding-critical"]
    {
        assert!(dom.contains(part), "{part}");
    }
    // Headings go down one step at a time, every table has a caption, every chart is named and described.
    assert_eq!(dom.matches("<h1>").count(), 1);
    assert_eq!(dom.matches("<table ").count(), dom.matches("<caption>").count());
    assert_eq!(dom.matches("role=\"img\"").count(), dom.matches("<desc ").count());
    let picture = std::env::var("SGW_SCREENSHOT").unwrap_or_else(|_| site.text("review.png"));
    open(&[&format!("--screenshot={picture}"), "--window-size=1100,4200"]);
    let bytes = std::fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000);
}

#[test]
fn a_pack_for_sharing_states_no_small_number_and_no_case() {
    let site = demonstrated();
    let out = site.text("shared");
    let arguments =
        ["review", "--period", &month(), "--out", &out, "--for-sharing", "--config", &site.config()];
    let (code, said) = sgw(&arguments);
    assert_eq!(code, 0, "{said}");
    assert!(!site.path("shared/records").exists() && !site.path("shared/records.csv").exists());
    let text = std::fs::read_to_string(site.path("shared/review.json")).unwrap();
    let pack: Value = serde_json::from_str(&text).unwrap();
    for (leaf, _) in &site.log {
        assert!(!text.contains(leaf["id"].as_str().unwrap()));
    }
    let mut withheld = 0;
    for section in pack["sections"].as_array().unwrap() {
        for table in section["tables"].as_array().unwrap() {
            for row in table["rows"].as_array().unwrap() {
                for cell in row["cells"].as_array().unwrap() {
                    withheld += u64::from(cell["withheld"] == true);
                    assert!(cell["count"].as_u64().is_none_or(|count| count == 0 || count >= 5), "{row}");
                }
            }
        }
    }
    assert!(withheld > 0);
    let sheet = std::fs::read_to_string(site.path("shared/review.csv")).unwrap();
    assert!(sheet.contains(",,yes\r\n"));
}

#[tokio::test]
async fn an_auditor_has_the_pack_over_http_and_that_is_recorded() {
    let gateway = TestGateway::new().await;
    let path = format!("/review?period={}", month());
    let page = gateway.get("auditor", &path).await.expect(200);
    assert!(
        page.header("content-type").starts_with("text/html") && page.text.contains("<h1>Review of sharing")
    );
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let json = gateway.get("auditor", &format!("{path}&format=json")).await.expect(200);
    // The first request was recorded before the second was counted.
    assert_eq!(stated(&json.json, "acts")[&("administration".into(), "records".into())], 1);
    gateway.get("auditor", &format!("{path}&format=csv&for-sharing=10")).await.expect(200);
    gateway.get("auditor", &format!("{path}&format=xlsx")).await.expect(400);
    gateway.get("auditor", "/review?period=2026-99").await.expect(400);
    gateway.get("auditor", "/review").await.expect(400);
    gateway.get("operator", &path).await.expect(403);
    let made = gateway.audits(Some("administration")).await;
    assert_eq!(made.len(), 3);
    assert!(made[0].canonical.as_ref().unwrap().contains("for-sharing"));
}
