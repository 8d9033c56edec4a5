//! The parts of a pack that tell what came in and who looked.

use super::pack::Section;
use super::sections::take;
use super::tally::Tally;

pub(super) fn intake(tally: &mut Tally) -> Section {
    let mut table = |name, title, head: &'static str, columns: &[&str], key| {
        take(tally, name).table(name, title, &[head], columns, key)
    };
    Section {
        id: "intake",
        title: "What came in",
        about: "Submissions by source, why some were refused, and what was decided about holding each resource.",
        tables: vec![
            table("intake", "Submissions", "source", &["taken in", "refused"], Some("intake")),
            table("refusals", "Refused, by first reason", "reason", &["refused"], Some("refusals")),
            table(
                "held",
                "Decisions to hold, by reason against it",
                "reason",
                &["permit", "quarantine"],
                None,
            ),
            table(
                "quarantine",
                "Steps taken in quarantine",
                "reason",
                &["kept", "read", "resubmitted", "discarded"],
                Some("quarantine"),
            ),
        ],
    }
}

pub(super) fn accesses(tally: &mut Tally) -> Section {
    let columns = ["of records", "searches", "of the log"];
    Section {
        id: "accesses",
        title: "Who looked, and what was administered",
        about: "Reads and searches by persons and systems, those of the log itself among them; requests that were \
                turned away; administrative acts; erasures of content.",
        tables: vec![
            take(tally, "accesses").table(
                "accesses",
                "Reads and searches",
                &["organisation"],
                &columns,
                Some("accesses"),
            ),
            take(tally, "turned-away").table(
                "turned-away",
                "Requests refused",
                &["operation", "organisation"],
                &["refused"],
                Some("turned-away"),
            ),
            take(tally, "administration").table(
                "administration",
                "Administrative acts",
                &["operation", "organisation"],
                &["acts"],
                Some("administration"),
            ),
            take(tally, "erased").table(
                "erased",
                "Contents erased, by ground",
                &["ground"],
                &["erased"],
                Some("erased"),
            ),
        ],
    }
}
