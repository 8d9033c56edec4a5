//! A pack as one page: nothing is loaded from elsewhere, no script runs, and every chart has its table beside it.

use super::chart;
use super::pack::{Cell, Pack, Row, Section, Table};

/// Where the records and their proofs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// In files beside the page: `records/proof-<id>.json`.
    Files,
    /// On the gateway: `<base>/AuditEvent/<id>`.
    Server(String),
    /// Nowhere: only the ids are told.
    Ids,
}

impl Links {
    fn to(&self, id: &str) -> String {
        let id = escape(id);
        match self {
            Links::Files => format!("<a href=\"records/proof-{id}.json\">{id}</a>"),
            Links::Server(base) => format!("<a href=\"{}/AuditEvent/{id}\">{id}</a>", escape(base)),
            Links::Ids => format!("<code>{id}</code>"),
        }
    }
}

/// How many records a number shows; the sheet and the JSON file have them all.
const SHOWN: usize = 50;

const STYLE: &str = "\
:root{color-scheme:light}body{font:16px/1.5 system-ui,sans-serif;color:#12202f;background:#fff;margin:0 auto;\
max-width:64rem;padding:1rem 1.5rem 4rem}a{color:#0b4f9e}a:focus-visible,summary:focus-visible{outline:3px solid #0b4f9e;\
outline-offset:2px}h1{font-size:1.9rem;line-height:1.2}h2{margin-top:3rem;border-top:3px solid #12202f;padding-top:.6rem}\
table{border-collapse:collapse;margin:1rem 0;width:100%}caption{text-align:left;font-weight:700;padding:.4rem 0}\
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #c3ccd6}.wide{overflow-x:auto}\
thead th{background:#e8edf3}tbody th{font-weight:400}tfoot th,tfoot td{font-weight:700;border-top:2px solid #12202f}\
td.n{white-space:nowrap}details ul{margin:.3rem 0;padding-left:1.1rem;font-size:.85rem;white-space:normal}li{overflow-wrap:anywhere}\
summary{cursor:pointer}.chart{width:100%;max-width:46rem;height:auto;margin:.5rem 0}.chart text{font:14px system-ui,sans-serif;\
fill:#12202f}.none{color:#44525f}.note{background:#fff5d6;border-left:5px solid #b98300;padding:.6rem 1rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:700}dd{margin:0;overflow-wrap:anywhere}\
.skip{position:absolute;left:-999px}.skip:focus{left:1rem;top:1rem;background:#fff;padding:.5rem}\
@media print{details>ul{display:none}h2{break-before:page}}";

/// The page.
pub fn html(pack: &Pack, links: &Links) -> String {
    let title = format!("Review of sharing, {}", pack.period);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the review</a>\n<header><h1>{title}</h1>\n",
        title = escape(&title)
    );
    page.push_str(&head(pack));
    page.push_str("</header>\n<nav aria-label=\"Parts of the review\"><ol>");
    for section in &pack.sections {
        page.push_str(&format!("<li><a href=\"#{}\">{}</a></li>", section.id, escape(section.title)));
    }
    page.push_str("</ol></nav>\n<main id=\"main\">\n");
    page.push_str(chart::TEXTURES);
    for part in &pack.sections {
        section(&mut page, part, links);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(pack: &Pack) -> String {
    let mut head = String::from("<dl>");
    let mut pair = |name: &str, value: &str| {
        head.push_str(&format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value)));
    };
    pair("Gateway", &format!("{} ({})", pack.gateway, pack.organisation));
    pair("Period", &format!("from {} until before {}", pack.from, pack.until));
    pair("Made", &pack.made);
    let erased = match pack.log.erased {
        0 => String::new(),
        erased => format!(
            "; the content of {erased} of these was erased, they are counted as far as their leaves tell"
        ),
    };
    pair("Log", &format!("{} records, {} of the period{erased}", pack.log.leaves, pack.log.in_period));
    if let (Some(size), Some(root)) = (pack.log.checkpoint_size, &pack.log.checkpoint_root) {
        pair("Signed", &format!("a checkpoint over {size} records, root {root}"));
    }
    head.push_str("</dl>\n");
    if pack.smallest > 0 {
        head.push_str(&format!(
            "<p class=\"note\">Made for sharing: numbers from 1 to {} are withheld, and others where a withheld number \
             could be found from them by subtraction. Single cases and the ids of records are left out.</p>\n",
            pack.smallest.saturating_sub(1)
        ));
    } else {
        head.push_str(
            "<p class=\"note\">For use inside the organisation: it names records about people. To give it to others, \
             make it again for sharing.</p>\n<p>Open a number to see the records that it counts. Each can be proved \
             offline with <code>sgw-verify proof</code> and the log's public key.</p>\n",
        );
    }
    head
}

fn section(page: &mut String, section: &Section, links: &Links) {
    page.push_str(&format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n<p>{}</p>\n",
        escape(section.title),
        escape(section.about),
        id = section.id
    ));
    for one in &section.tables {
        if one.rows.is_empty() {
            page.push_str(&format!("<p class=\"none\">{}: none.</p>\n", escape(one.title)));
            continue;
        }
        table(page, one, links);
        if let Some(chart) = chart::chart(one) {
            page.push_str(&chart);
        }
    }
    page.push_str("</section>\n");
}

fn table(page: &mut String, table: &Table, links: &Links) {
    page.push_str(&format!(
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{1}\"><table id=\"table-{0}\">\n<caption>{1}</caption>\n<thead><tr>",
        table.id,
        escape(table.title)
    ));
    for head in table.heads.iter().copied().chain(table.columns.iter().map(String::as_str)) {
        page.push_str(&format!("<th scope=\"col\">{}</th>", escape(head)));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for one in &table.rows {
        row(page, one, links);
    }
    page.push_str("</tbody>\n");
    if let Some(total) = &table.total {
        page.push_str("<tfoot>\n");
        // The total's records stand in the rows above it.
        let bare = |cell: &Cell| Cell { records: Vec::new(), ..cell.clone() };
        let total = Row { labels: total.labels.clone(), cells: total.cells.iter().map(bare).collect() };
        row(page, &total, links);
        page.push_str("</tfoot>\n");
    }
    page.push_str("</table></div>\n");
}

fn row(page: &mut String, row: &Row, links: &Links) {
    page.push_str("<tr>");
    for (place, label) in row.labels.iter().enumerate() {
        let (open, close) = if place == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
        page.push_str(&format!("{open}{}{close}", escape(label)));
    }
    for cell in &row.cells {
        page.push_str("<td class=\"n\">");
        if cell.records.is_empty() {
            page.push_str(&cell.shown());
        } else {
            page.push_str(&format!("<details><summary>{}</summary><ul>", cell.shown()));
            for id in cell.records.iter().take(SHOWN) {
                page.push_str(&format!("<li>{}</li>", links.to(id)));
            }
            if let Some(more) = cell.records.len().checked_sub(SHOWN).filter(|&more| more > 0) {
                page.push_str(&format!(
                    "<li>and {more} more, in the sheet of records and the JSON file</li>"
                ));
            }
            page.push_str("</ul></details>");
        }
        page.push_str("</td>");
    }
    page.push_str("</tr>\n");
}

/// Text as it may stand in HTML, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
