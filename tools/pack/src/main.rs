//! Turns the npm package `hl7.fhir.r4.examples@4.0.1` into `profiles/r4/definitions.pack`, and HL7's extensions pack,
//! `hl7.fhir.uv.extensions.r4`, into `profiles/r4/extensions.pack`, which holds only what the first does not define.
//!
//! Run it from the project's root, after the packages were fetched from a registry:
//!
//! ```text
//! cargo run --release --manifest-path tools/pack/Cargo.toml -- \
//!     hl7.fhir.r4.examples-4.0.1.tgz hl7.fhir.uv.extensions.r4-5.3.0-ballot-tc1.tgz profiles/r4
//! ```
//!
//! The pack is a header line, the length of the index (compressed and plain, little-endian), the index and the
//! bodies. The index is deflated text, one artefact a line, fields parted by tabs: resource type, canonical,
//! version, name, kind, derivation, type, base, abstract, offset, compressed length, plain length. A body is the
//! artefact's JSON, stripped to what validation and search read, deflated by itself so that it can be read by itself.

mod strip;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::DeflateEncoder;
use serde_json::Value;
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::Path;

/// The SHA-1 of each package, the first line of its pack and the pack's name.
const PACKAGES: [(&str, &[u8], &str); 2] = [
    (
        "537ea7db3f3c7b3575fe2eaa7808bad21261cca3",
        b"SGW-FHIR-PACK 1 hl7.fhir.r4.examples 4.0.1\n",
        "definitions.pack",
    ),
    (
        "b8722abcafb2ab45b0974f753ebc9ca7c6048a5b",
        b"SGW-FHIR-PACK 1 hl7.fhir.uv.extensions.r4 5.3.0-ballot-tc1\n",
        "extensions.pack",
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, second, folder] = arguments.as_slice() else {
        return Err("usage: pack DEFINITIONS.tgz EXTENSIONS.tgz FOLDER".into());
    };
    let mut known = BTreeSet::new();
    for (package, (sha1, header, name)) in [first, second].into_iter().zip(PACKAGES) {
        let bytes = std::fs::read(package)?;
        let digest: String = Sha1::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != sha1 {
            return Err(format!("`{package}` has the SHA-1 {digest}, expected {sha1}").into());
        }
        let mut artefacts = read(&bytes)?;
        artefacts.retain(|(_, url), _| !known.contains(url));
        known.extend(artefacts.keys().map(|(_, url)| url.clone()));
        let pack = write(header, &artefacts)?;
        std::fs::write(Path::new(folder).join(name), &pack)?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, _) in artefacts.keys() {
            *counts.entry(kind).or_default() += 1;
        }
        println!("{name}: {} artefacts, {} bytes: {counts:?}", artefacts.len(), pack.len());
    }
    Ok(())
}

/// The artefacts worth keeping, by type and canonical, stripped.
fn read(bytes: &[u8]) -> Result<BTreeMap<(String, String), Value>, Box<dyn std::error::Error>> {
    let mut artefacts = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(bytes)).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("").to_owned();
        let nested = path.components().count() != 2;
        if nested || !name.ends_with(".json") || !name.contains('-') {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        let resource: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        let kind = resource["resourceType"].as_str().unwrap_or("").to_owned();
        let Some(url) = resource["url"].as_str().map(str::to_owned) else { continue };
        let Some(stripped) = strip::artefact(&kind, &resource) else { continue };
        if let Some(other) = artefacts.insert((kind, url.clone()), stripped) {
            println!("`{url}` stands twice; `{name}` wins over `{}`", other["name"]);
        }
    }
    Ok(artefacts)
}

fn write(header: &[u8], artefacts: &BTreeMap<(String, String), Value>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut index = String::new();
    let mut bodies = Vec::new();
    for ((kind, url), artefact) in artefacts {
        let text = serde_json::to_string(artefact)?;
        let body = deflate(text.as_bytes())?;
        let field = |name: &str| artefact[name].as_str().unwrap_or("");
        let base = if kind == "StructureDefinition" { field("baseDefinition") } else { field("valueSet") };
        let fields = [
            kind.as_str(),
            url,
            field("version"),
            field("name"),
            field("kind"),
            field("derivation"),
            field("type"),
            base,
            if artefact["abstract"].as_bool() == Some(true) { "true" } else { "" },
            &bodies.len().to_string(),
            &body.len().to_string(),
            &text.len().to_string(),
        ];
        index += &fields.join("\t");
        index.push('\n');
        bodies.extend_from_slice(&body);
    }
    let packed = deflate(index.as_bytes())?;
    let mut pack = header.to_vec();
    pack.extend_from_slice(&u32::try_from(packed.len())?.to_le_bytes());
    pack.extend_from_slice(&u32::try_from(index.len())?.to_le_bytes());
    pack.extend_from_slice(&packed);
    pack.extend_from_slice(&bodies);
    Ok(pack)
}

fn deflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
