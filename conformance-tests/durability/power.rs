//! The loss of power at many moments: a store that waits for the disk loses nothing, one that does not is caught.

use super::disk::{Disk, Event, Loss};
use super::workload::{self, FOLDER, SYNCHRONOUS};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// At every so many acknowledgements, and as often in between, the power goes.
const EVERY: usize = 45;

/// What many losses of power came to.
#[derive(Debug, Default)]
struct Verdict {
    cuts: usize,
    lost: usize,
    damaged: Vec<String>,
    acknowledged: usize,
    syncs: usize,
}

impl Verdict {
    fn line(&self) -> String {
        let Self { cuts, lost, damaged, acknowledged, syncs } = self;
        let damaged = damaged.len();
        format!(
            "{acknowledged} acknowledged, {syncs} syncs, {cuts} cuts: {lost} lost something, {damaged} damaged"
        )
    }
}

async fn judge(synchronous: &str) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let (work, before) = (folder.path().join("work"), folder.path().join("before"));
    fs::create_dir(&work).unwrap();
    fs::create_dir(&before).unwrap();
    workload::prepare(&work).await;
    fs::copy(work.join("sgw.db"), before.join("sgw.db")).unwrap();
    let log = folder.path().join("calls");
    let status = super::trace_to(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durability::workload::program", "--ignored", "--nocapture"])
        .env(FOLDER, &work)
        .env(SYNCHRONOUS, synchronous)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    cut_along(&before, &work, &log).await
}

async fn cut_along(before: &Path, work: &Path, log: &Path) -> Verdict {
    let mut verdict = Verdict::default();
    let mut disk = Disk::before(before, work, log);
    let mut acknowledged = BTreeSet::new();
    let mut since = 0;
    while let Some(event) = disk.next() {
        let due = match event {
            Event::Told(file, text) if file.ends_with("/acknowledged") => {
                acknowledged.insert(String::from_utf8(text).unwrap().trim_end().to_owned());
                since = 0;
                acknowledged.len() % EVERY == 0
            }
            Event::Told(..) => continue,
            // Some calls after an acknowledgement, in the midst of what was under way then.
            Event::Disk => {
                since += 1;
                since == 37 && acknowledged.len() % EVERY < 3
            }
        };
        if due {
            let number = verdict.cuts as u64;
            for loss in [Loss::All, Loss::Some(number), Loss::Some(number + 1000)] {
                cut(&disk, loss, &acknowledged, &mut verdict).await;
            }
        }
    }
    verdict.acknowledged = acknowledged.len();
    verdict.syncs = disk.synced;
    verdict
}

async fn cut(disk: &Disk, loss: Loss, acknowledged: &BTreeSet<String>, verdict: &mut Verdict) {
    let folder = tempfile::tempdir().unwrap();
    disk.cut(loss, folder.path());
    verdict.cuts += 1;
    match workload::missing(folder.path(), acknowledged).await {
        Ok(missing) => verdict.lost += usize::from(!missing.is_empty()),
        Err(damage) => verdict.damaged.push(damage),
    }
}

#[tokio::test]
async fn a_loss_of_power_costs_nothing_that_was_acknowledged() {
    if !super::can_trace("a_loss_of_power_costs_nothing_that_was_acknowledged") {
        return;
    }
    let verdict = judge("full").await;
    eprintln!("synchronous=FULL: {}", verdict.line());
    assert!(verdict.cuts >= 30 && verdict.acknowledged == 540, "{verdict:?}");
    assert_eq!((verdict.lost, &verdict.damaged), (0, &vec![]), "{verdict:?}");
}

#[tokio::test]
async fn the_same_check_catches_a_store_that_does_not_wait_for_the_disk() {
    if !super::can_trace("the_same_check_catches_a_store_that_does_not_wait_for_the_disk") {
        return;
    }
    let verdict = judge("off").await;
    eprintln!("synchronous=OFF: {}", verdict.line());
    assert!(verdict.cuts >= 30, "{verdict:?}");
    assert!(verdict.lost + verdict.damaged.len() > verdict.cuts / 2, "{verdict:?}");
}
