//! What makes hostile payloads, and counts their values while it makes them.

use crate::differential::random::Random;
use sgw::convert::Mapping;
use std::path::Path;

/// A payload, and how many values it has; `None` when it is broken on purpose.
pub struct Made {
    pub payload: Vec<u8>,
    pub values: Option<usize>,
    /// Whether places may stand twice, as in a source that repeats a name.
    pub repeats: bool,
}

const WORDS: [&str; 24] = [
    "",
    "",
    "1",
    "9000000009",
    "9000000017",
    "9000000008",
    "CP",
    "CPALERT",
    "NHS",
    "NH",
    "20261121",
    "20269999",
    "202611210900+0100",
    "A",
    "Doe",
    "\"\"",
    " ",
    "Y",
    "F",
    "SNM3",
    "child protection",
    "C-1",
    "2026-02-01",
    "342191000000101",
];

/// Words, some of them with characters that the set may hold.
pub fn word(random: &mut Random, foreign: &[char]) -> String {
    let mut word = (*random.pick(&WORDS)).to_owned();
    if random.below(6) == 0 && !foreign.is_empty() {
        (0..1 + random.below(4)).for_each(|_| word.push(*random.pick(foreign)));
    }
    if random.below(200) == 0 {
        word = word.repeat(200);
    }
    word
}

const SEGMENTS: [&str; 22] = [
    "PID", "OBX", "OBX", "OBX", "AL1", "DG1", "IAM", "PV1", "PV2", "CON", "ARV", "PRT", "ZSG", "ZZZ", "NTE",
    "EVN", "PRB", "MRG", "TXA", "SCH", "NK1", "OBR",
];
const EVENTS: [(&str, &str); 12] = [
    ("ADT", "A08"),
    ("ADT", "A31"),
    ("ADT", "A28"),
    ("ADT", "A01"),
    ("ADT", "A40"),
    ("ADT", "A60"),
    ("ORU", "R01"),
    ("MDM", "T02"),
    ("REF", "I12"),
    ("SIU", "S26"),
    ("VXU", "V04"),
    ("QBP", "Q22"),
];
const ESCAPES: [&str; 12] = ["F", "S", "T", "R", "E", "X0D", "XC3A9", "H", "N", ".br", "Zxyz", ""];
const SETS: [(&str, &[char]); 6] = [
    ("", &['é', '李', '😀', '\u{301}']),
    ("UNICODE UTF-8", &['é', 'ŵ', '\u{200f}']),
    ("8859/1", &['é', 'ÿ', '£']),
    ("WINDOWS-1252", &['é', '’', '€']),
    ("ASCII", &[]),
    ("UTF-8~8859/1", &['ŵ']),
];

struct Letters {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    sub: char,
}

fn letters(random: &mut Random) -> Letters {
    if random.below(2) == 0 {
        return Letters { field: '|', component: '^', repetition: '~', escape: '\\', sub: '&' };
    }
    let mut all: Vec<char> = "|^~\\&*:+!@%$;,?=#<>{}()'`".chars().collect();
    let mut next = || all.swap_remove(random.below(all.len()));
    Letters { field: next(), component: next(), repetition: next(), escape: next(), sub: next() }
}

/// Messages of HL7 v2: one, or several in a batch.
pub fn hl7(random: &mut Random, _: &Mapping) -> Made {
    let (set, foreign) = SETS[random.below(SETS.len())];
    let end = ["\r", "\n", "\r\n"][random.below(3)];
    let count = if random.below(5) == 0 { 1 + random.below(4) } else { 1 };
    let (mut text, mut values) = (String::new(), 0);
    let framed = count > 1 || random.below(20) == 0;
    let frame = |name: &str, text: &mut String| {
        text.push_str(&format!("{name}|^~\\&|PAS|RXX{end}"));
        2
    };
    if framed {
        values += frame("FHS", &mut text) + frame("BHS", &mut text);
    }
    for _ in 0..count {
        let own = letters(random);
        message(random, &own, set, foreign, end, &mut text, &mut values);
    }
    if framed {
        text.push_str(&format!("BTS|{count}{end}FTS|1{end}"));
        values += 2;
    }
    let mut payload: Vec<u8> = match set {
        "8859/1" | "WINDOWS-1252" => text.chars().map(byte).collect(),
        _ => text.into_bytes(),
    };
    let broken = random.below(50) == 0;
    if broken {
        let at = random.below(payload.len());
        match random.below(3) {
            0 => payload.truncate(at),
            1 => payload[at] = random.below(256) as u8,
            _ => payload.insert(at, [0x81, 0x0B, 0x1C, 0xFF, 0x00][random.below(5)]),
        }
    }
    Made { payload, values: (!broken).then_some(values), repeats: false }
}

fn byte(c: char) -> u8 {
    match c {
        '’' => 0x92,
        '€' => 0x80,
        other => u8::try_from(u32::from(other)).expect("of the set"),
    }
}

fn message(
    random: &mut Random,
    l: &Letters,
    set: &str,
    foreign: &[char],
    end: &str,
    text: &mut String,
    values: &mut usize,
) {
    let Letters { field, component, repetition, escape, sub } = *l;
    let (kind, event) = *random.pick(&EVENTS);
    let set = set.replace('~', &repetition.to_string());
    let header = [
        "PAS".to_owned(),
        "RXX".to_owned(),
        String::new(),
        String::new(),
        "20261121".to_owned(),
        String::new(),
        format!("{kind}{component}{event}"),
        format!("M{}", random.below(1_000_000)),
        "P".to_owned(),
        "2.5.1".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        set,
    ];
    text.push_str(&format!("MSH{field}{component}{repetition}{escape}{sub}"));
    for value in &header {
        text.push(field);
        text.push_str(value);
        *values += value.split([component, repetition]).filter(|part| !part.is_empty()).count();
    }
    text.push_str(end);
    if random.below(4) > 0 {
        let number = ["9000000009", "9000000017", "9000000008"][random.below(3)];
        text.push_str(&format!(
            "PID{field}1{field}{field}{number}{component}{component}{component}NHS{component}NH{end}"
        ));
        *values += 4;
    }
    for _ in 0..random.below(9) {
        text.push_str(SEGMENTS[random.below(SEGMENTS.len())]);
        for _ in 0..random.below(20) {
            text.push(field);
            fill(random, l, foreign, text, values);
        }
        // Fields cut off at the end, and separators without anything between them.
        (0..random.below(3)).for_each(|_| text.push(field));
        text.push_str(end);
    }
}

/// One field: repetitions, components and sub-components, each of them empty or a value.
fn fill(random: &mut Random, l: &Letters, foreign: &[char], text: &mut String, values: &mut usize) {
    let separators = [l.component, l.repetition, l.sub];
    let pieces = if random.below(3) == 0 { 1 + random.below(6) } else { 1 };
    for piece in 0..pieces {
        if piece > 0 {
            text.push(*random.pick(&separators));
        }
        let special = [l.field, l.component, l.repetition, l.escape, l.sub];
        let mut value: String = word(random, foreign).chars().filter(|c| !special.contains(c)).collect();
        if random.below(12) == 0 {
            // An escape sequence, whole or broken, beside something that it cannot make vanish.
            let sequence: String =
                ESCAPES[random.below(ESCAPES.len())].chars().filter(|c| !special.contains(c)).collect();
            let close = if random.below(5) == 0 { String::new() } else { l.escape.to_string() };
            value = format!("x{value}{}{sequence}{close}y", l.escape);
        }
        *values += usize::from(!value.is_empty());
        text.push_str(&value);
    }
}

/// A table with the columns of the mapping's fixture, in another order, with others among them.
pub fn csv(random: &mut Random, mapping: &Mapping) -> Made {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/convert");
    let name = match mapping.id.as_str() {
        "emis-problems" => "csv-emis-problems".to_owned(),
        "systmone-safeguarding" => "csv-systmone-safeguarding".to_owned(),
        "mhsds-restrictive" => "csv-mhsds-restrictive".to_owned(),
        ssd => format!("csv-{ssd}"),
    };
    let fixture = std::fs::read_to_string(folder.join(name).join("input.csv")).unwrap();
    let mut lines = fixture.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let (header, sample) = (lines.next().unwrap(), lines.next().unwrap());
    let mut columns: Vec<(String, String)> = header.into_iter().zip(sample).collect();
    for extra in 0..random.below(4) {
        columns.insert(random.below(columns.len() + 1), (format!("Extra \"{extra}\""), String::new()));
    }
    let quote = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let join = |cells: Vec<String>| cells.join(",") + "\n";
    let mut text = if random.below(5) == 0 { "\u{feff}".to_owned() } else { String::new() };
    text.push_str(&join(columns.iter().map(|(name, _)| quote(name)).collect()));
    let mut values = 0;
    for _ in 0..1 + random.below(4) {
        let mut cells = Vec::new();
        for (_, sample) in &columns {
            let mut cell = if random.below(3) > 0 {
                sample.clone()
            } else {
                word(random, &['é', '"', ',', '\n', '\r', '李'])
            };
            if random.below(20) == 0 {
                cell = "  ".to_owned();
            }
            values += usize::from(!cell.trim().is_empty());
            cells.push(quote(&cell));
        }
        text.push_str(&join(cells));
    }
    let broken = random.below(40) == 0;
    if broken {
        text.insert(text.char_indices().nth(random.below(text.chars().count())).unwrap().0, '"');
    }
    Made { payload: text.into_bytes(), values: (!broken).then_some(values), repeats: false }
}

const ELEMENTS: [&str; 12] = [
    "Child",
    "Children",
    "CINdetails",
    "ClinicalDocument",
    "section",
    "text",
    "code",
    "id",
    "ChildIdentifiers",
    "x:entry",
    "title",
    "CINPlanDates",
];

/// A document of the mapping's root, with elements that it knows and others, nested anyhow.
pub fn xml(random: &mut Random, mapping: &Mapping) -> Made {
    let (root, space) = match mapping.id.as_str() {
        "cda" => ("ClinicalDocument", " xmlns=\"urn:hl7-org:v3\""),
        _ => ("Message", ""),
    };
    let (mut text, mut values) = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), 0);
    if random.below(4) == 0 {
        // What is known to make something, with strange things inside.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/convert");
        let name = if mapping.id == "cda" { "cda-edischarge" } else { "cin-census-child" };
        let file = std::fs::read_to_string(folder.join(name).join("input.xml")).unwrap();
        let close = file.rfind("</").unwrap();
        let mut inner = String::new();
        let strange = element(random, 0, &mut inner);
        let with = format!("{}{}{}", &file[..close], inner.replace("x:", ""), &file[close..]);
        return Made { values: Some(counted(&file) + strange), payload: with.into_bytes(), repeats: false };
    }
    text.push_str(&format!("<{root}{space} xmlns:x=\"urn:x\">"));
    for _ in 0..random.below(6) {
        values += element(random, 0, &mut text);
    }
    text.push_str(&format!("</{root}>"));
    let broken = random.below(40) == 0;
    if broken {
        let at = text.char_indices().nth(random.below(text.chars().count())).unwrap().0;
        text.insert_str(at, ["<", "&", "]]>", "<!DOCTYPE a>", "\u{1}"][random.below(5)]);
    }
    Made { payload: text.into_bytes(), values: (!broken).then_some(values), repeats: false }
}

/// The values of a document, counted by the parser's own walk.
fn counted(text: &str) -> usize {
    let document = roxmltree::Document::parse(text).unwrap();
    let texts =
        document.descendants().filter(|n| n.is_text() && !n.text().unwrap_or("").trim().is_empty()).count();
    let attributes = document.descendants().flat_map(|n| n.attributes().collect::<Vec<_>>());
    texts + attributes.filter(|a| !a.value().trim().is_empty()).count()
}

fn element(random: &mut Random, depth: usize, text: &mut String) -> usize {
    let name = *random.pick(&ELEMENTS);
    let mut values = 0;
    text.push_str(&format!("<{name}"));
    for attribute in 0..random.below(3) {
        let value = word(random, &['é', '李', '\t']).replace(['"', '<', '&'], "_");
        values += usize::from(!value.trim().is_empty());
        text.push_str(&format!(" a{attribute}=\"{value}\""));
    }
    text.push('>');
    for _ in 0..random.below(4) {
        if random.below(2) == 0 && depth < 6 {
            values += element(random, depth + 1, text);
        } else {
            let value = word(random, &['é', '李']).replace(['<', '&'], "_");
            let written = match random.below(4) {
                0 => format!("<![CDATA[{value}]]>"),
                1 => value.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
                _ => value.clone(),
            };
            values += usize::from(!value.trim().is_empty());
            // An element between two texts keeps them apart.
            text.push_str(&format!("{written}<br/>"));
        }
        if random.below(6) == 0 {
            text.push_str("<br/><!-- a comment --><?an instruction?><br/>");
        }
    }
    text.push_str(&format!("</{name}>"));
    values
}
