//! The built-in definitions of FHIR R4 and HL7's extensions pack, read artefact by artefact when they are asked for.
//!
//! `tools/pack` makes the file and describes its format.

use super::Table;
use flate2::read::DeflateDecoder;
use serde_json::Value;
use std::io::Read;
use std::sync::OnceLock;

/// FHIR R4, and HL7's extensions pack with what R4 does not define.
static PACKS: [&[u8]; 2] = [
    include_bytes!("../../profiles/r4/definitions.pack"),
    include_bytes!("../../profiles/r4/extensions.pack"),
];

/// What the index says about one artefact, without reading it.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The resource type, such as `StructureDefinition`.
    pub resource_type: &'a str,
    /// The canonical.
    pub url: &'a str,
    /// The version; empty when there is none.
    pub version: &'a str,
    /// The computable name.
    pub name: &'a str,
    /// The kind of a StructureDefinition: `resource`, `complex-type`, `primitive-type`, `logical`; or empty.
    pub kind: &'a str,
    /// The derivation of a StructureDefinition: `specialization`, `constraint` or empty.
    pub derivation: &'a str,
    /// The type of a StructureDefinition.
    pub type_name: &'a str,
    /// The base definition of a StructureDefinition; the value set of a CodeSystem.
    pub base: &'a str,
    /// Whether a StructureDefinition is abstract.
    pub is_abstract: bool,
    /// Whether it is part of FHIR R4 itself; otherwise it is of HL7's extensions pack.
    pub is_core: bool,
    place: (usize, usize, usize),
}

/// The index of the pack.
pub(super) struct Pack {
    listings: Vec<Listing<'static>>,
    by_url: Table<&'static str, u32>,
    types: Table<&'static str, u32>,
    bodies: [&'static [u8]; 2],
}

fn inflate(bytes: &[u8], length: usize) -> Option<String> {
    let mut text = String::with_capacity(length);
    DeflateDecoder::new(bytes).take(length as u64 + 1).read_to_string(&mut text).ok()?;
    (text.len() == length).then_some(text)
}

fn listing(line: &'static str, is_core: bool) -> Option<Listing<'static>> {
    let mut fields = line.split('\t');
    Some(Listing {
        resource_type: fields.next()?,
        url: fields.next()?,
        version: fields.next()?,
        name: fields.next()?,
        kind: fields.next()?,
        derivation: fields.next()?,
        type_name: fields.next()?,
        base: fields.next()?,
        is_abstract: fields.next()? == "true",
        is_core,
        place: (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?),
    })
}

/// The index and the bodies of one file.
fn parts(file: &'static [u8]) -> Option<(&'static str, &'static [u8])> {
    let header = memchr::memchr(b'\n', file)?;
    let rest = file.get(header + 1..)?;
    let length = |from: usize| {
        let bytes: [u8; 4] = rest.get(from..from + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let (packed, plain) = (length(0)?, length(4)?);
    Some((inflate(rest.get(8..8 + packed)?, plain)?.leak(), rest.get(8 + packed..)?))
}

fn open() -> Option<Pack> {
    let [core, extensions] = PACKS;
    let ((core_index, core), (extensions_index, extensions)) = (parts(core)?, parts(extensions)?);
    let listings: Vec<Listing<'static>> = core_index
        .lines()
        .filter_map(|line| listing(line, true))
        .chain(extensions_index.lines().filter_map(|line| listing(line, false)))
        .collect();
    let numbered = || listings.iter().zip(0u32..);
    // A canonical names one artefact, whatever its resource type.
    let by_url = numbered().map(|(listing, i)| (listing.url, i)).collect();
    let types = numbered()
        .filter(|(listing, _)| {
            listing.resource_type == "StructureDefinition" && listing.derivation != "constraint"
        })
        .map(|(listing, i)| (listing.type_name, i))
        .collect();
    Some(Pack { by_url, types, listings, bodies: [core, extensions] })
}

impl Pack {
    /// The pack, its index read at the first call. The pack is part of the program, and a test reads all of it; were
    /// it broken all the same, it would be empty.
    pub(super) fn get() -> &'static Pack {
        static OPENED: OnceLock<Pack> = OnceLock::new();
        OPENED.get_or_init(|| {
            open().unwrap_or_else(|| Pack {
                listings: Vec::new(),
                by_url: Table::default(),
                types: Table::default(),
                bodies: [&[], &[]],
            })
        })
    }

    /// Everything in the pack.
    pub(super) fn listings(&self) -> &[Listing<'static>] {
        &self.listings
    }

    /// The artefact of this canonical (without version).
    pub(super) fn find(&self, url: &str) -> Option<&Listing<'static>> {
        self.by_url.get(url).and_then(|i| self.listings.get(*i as usize))
    }

    /// The definition of this type: data type, resource or abstract type.
    pub(super) fn find_type(&self, name: &str) -> Option<&Listing<'static>> {
        self.types.get(name).and_then(|i| self.listings.get(*i as usize))
    }

    /// The names of all types: data types, resources and abstract types.
    pub(super) fn type_names(&self) -> impl Iterator<Item = &'static str> {
        self.types.keys().copied()
    }

    /// The artefact itself.
    pub(super) fn body(&self, listing: &Listing<'_>) -> Option<Value> {
        let (offset, packed, plain) = listing.place;
        let [core, extensions] = self.bodies;
        let bodies = if listing.is_core { core } else { extensions };
        let text = inflate(bodies.get(offset..offset + packed)?, plain)?;
        serde_json::from_str(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_artefact_can_be_read() {
        let pack = Pack::get();
        assert_eq!(pack.listings().iter().filter(|listing| listing.is_core).count(), 4574);
        for listing in pack.listings() {
            let body = pack.body(listing).unwrap_or_else(|| panic!("{} cannot be read", listing.url));
            assert_eq!(body["url"], listing.url);
        }
        assert_eq!(pack.find_type("Flag").unwrap().url, "http://hl7.org/fhir/StructureDefinition/Flag");
        assert_eq!(
            pack.find_type("Quantity").unwrap().url,
            "http://hl7.org/fhir/StructureDefinition/Quantity"
        );
    }
}
