//! What an AuditEvent is about: resources, the gateway's own objects, queries, the patient.

use super::act::Target;
use super::text::{Text, coding};
use crate::fhir::systems;
use base64::Engine;

const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

/// What an entity is.
pub(crate) enum What<'a> {
    /// A resource.
    Reference(Target<'a>),
    /// Something of the gateway's own, such as a submission.
    Object(&'a str, &'a str),
    /// Nothing: a query speaks for itself.
    Nothing,
}

/// A named remark about an entity.
pub(crate) struct Detail<'a> {
    name: &'a str,
    value: std::borrow::Cow<'a, str>,
}

impl<'a> Detail<'a> {
    pub fn owned(name: &'a str, value: String) -> Detail<'a> {
        Detail { name, value: value.into() }
    }
}

/// Something the act was about.
pub(crate) struct Entity<'a> {
    pub what: What<'a>,
    pub role: &'static str,
    pub details: Vec<Detail<'a>>,
    pub query: &'a str,
}

impl<'a> Entity<'a> {
    pub fn resource(target: Target<'a>) -> Entity<'a> {
        Entity { what: What::Reference(target), role: "4", details: Vec::new(), query: "" }
    }

    pub fn object(kind: &'a str, id: &'a str) -> Entity<'a> {
        Entity { what: What::Object(kind, id), role: "20", details: Vec::new(), query: "" }
    }

    /// A query. BALP allows neither `what` nor `detail` here.
    pub fn query(query: &'a str) -> Entity<'a> {
        Entity { what: What::Nothing, role: "24", details: Vec::new(), query }
    }

    pub fn detail(&mut self, name: &'a str, value: &'a str) {
        if !value.is_empty() {
            self.details.push(Detail { name, value: value.into() });
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        text.object(|o| {
            if !self.details.is_empty() {
                o.name("detail").array(|list| {
                    for detail in &self.details {
                        list.object(|o| {
                            o.pair("type", detail.name);
                            o.pair("valueString", &detail.value);
                        });
                    }
                });
            }
            if !self.query.is_empty() {
                o.pair("query", &base64::engine::general_purpose::STANDARD.encode(self.query));
            }
            o.name("role").object(|o| coding(o, OBJECT_ROLE, self.role));
            o.name("type").object(|o| coding(o, ENTITY_TYPE, "2"));
            match &self.what {
                What::Reference(target) => {
                    o.name("what").object(|o| o.pair("reference", &target.versioned()));
                }
                What::Object(kind, id) if !id.is_empty() => o.name("what").object(|o| {
                    o.name("identifier").object(|o| {
                        o.pair("system", &systems::canonical(&format!("Id/{}", kind.to_lowercase())));
                        o.pair("value", id);
                    });
                }),
                What::Object(kind, _) => o.name("what").object(|o| o.pair("display", kind)),
                What::Nothing => {}
            }
        });
    }
}

/// The patient, by the key of the store: `nhs:…`, `local:system|value`, or something that only the store understands.
pub(super) fn write_patient(list: &mut Text, key: &str) {
    list.object(|o| {
        o.name("role").object(|o| coding(o, OBJECT_ROLE, "1"));
        o.name("type").object(|o| coding(o, ENTITY_TYPE, "1"));
        o.name("what").object(|o| {
            o.name("identifier").object(|o| {
                if let Some(number) = key.strip_prefix("nhs:") {
                    o.pair("system", systems::NHS_NUMBER);
                    o.pair("value", number);
                } else if let Some((system, value)) =
                    key.strip_prefix("local:").and_then(|rest| rest.rsplit_once('|'))
                {
                    o.pair_if("system", system);
                    o.pair("value", value);
                } else {
                    o.pair("value", key);
                }
            });
        });
    });
}
