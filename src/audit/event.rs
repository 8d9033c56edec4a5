//! One AuditEvent, gathered from borrowed parts and written as canonical JSON.
//!
//! Shapes: IHE BALP 1.1.4 for create, read, update, delete and search, and for what a source submits; the project's
//! own profiles `safeguarding-decision` and `safeguarding-disclosure` for decisions and what left the gateway.

use super::act::Party;
use super::entity::{Entity, write_patient};
use super::record::Gateway;
use super::text::{Text, coding, concept};
use crate::fhir::systems;
use crate::govern::purpose;

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const REST: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const PROVENANCE_AGENT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// Somebody or something that took part.
pub(crate) struct Agent<'a> {
    pub party: Party<'a>,
    kind: (&'static str, &'static str),
    requestor: bool,
    own: bool,
    pub policies: Vec<String>,
}

impl<'a> Agent<'a> {
    fn new(party: Party<'a>, system: &'static str, code: &'static str, requestor: bool) -> Agent<'a> {
        Agent { party, kind: (system, code), requestor, own: false, policies: Vec::new() }
    }

    /// Who sent a submission.
    pub fn source(party: Party<'a>) -> Agent<'a> {
        Agent::new(party, DCM, "110153", true)
    }

    /// Who would receive.
    pub fn recipient(party: Party<'a>) -> Agent<'a> {
        Agent::new(party, PARTICIPATION, "IRCP", false)
    }

    /// Who received a disclosure.
    pub fn disclosed_to(party: Party<'a>) -> Agent<'a> {
        Agent::new(party, DCM, "110152", false)
    }

    /// A person or system that asked.
    pub fn user(party: Party<'a>) -> Agent<'a> {
        Agent::new(party, PARTICIPATION, "IRCP", true)
    }

    /// The other end of a REST interaction, source (`110153`), destination (`110152`) or application (`110150`).
    pub fn rest(party: Party<'a>, code: &'static str) -> Agent<'a> {
        Agent::new(party, DCM, code, true)
    }

    /// The gateway's end of a REST interaction.
    pub fn gateway_rest(code: &'static str) -> Agent<'a> {
        let system = if code == "custodian" { PROVENANCE_AGENT } else { DCM };
        Agent { own: true, ..Agent::new(Party::default(), system, code, false) }
    }

    /// The gateway, as the source of a disclosure.
    pub fn gateway_source() -> Agent<'a> {
        Agent { own: true, ..Agent::new(Party::default(), DCM, "110153", true) }
    }

    /// The gateway, acting by itself.
    pub fn gateway() -> Agent<'a> {
        Agent { own: true, ..Agent::new(Party::default(), DCM, "110150", true) }
    }

    fn write(&self, gateway: &Gateway, text: &mut Text) {
        let own = Party {
            id: &gateway.device,
            organisation: &gateway.organisation,
            name: &gateway.name,
            address: &gateway.address,
        };
        let party = if self.own { own } else { self.party };
        text.object(|o| {
            o.pair_if("altId", party.id);
            if !party.address.is_empty() {
                o.name("network").object(|o| {
                    o.pair("address", party.address);
                    o.pair("type", if party.address.contains("://") { "5" } else { "2" });
                });
            }
            if !self.policies.is_empty() {
                o.name("policy").array(|list| self.policies.iter().for_each(|policy| list.text(policy)));
            }
            o.raw("requestor", if self.requestor { "true" } else { "false" });
            o.name("type").object(|o| concept(o, self.kind.0, self.kind.1));
            o.name("who").object(|o| {
                if party.organisation.is_empty() {
                    o.pair("display", "not identified");
                } else {
                    o.pair_if("display", party.name);
                    o.name("identifier").object(|o| {
                        o.pair("system", systems::ODS_ORGANIZATION);
                        o.pair("value", party.organisation);
                    });
                }
            });
        });
    }
}

/// An AuditEvent under construction.
pub(crate) struct Event<'a> {
    id: &'a str,
    recorded: &'a str,
    gateway: &'a Gateway,
    pub kind: &'static str,
    pub patient: Option<&'a str>,
    profile: String,
    action: char,
    class: (&'static str, &'static str),
    interaction: Option<(&'static str, &'static str)>,
    outcome: char,
    outcome_text: String,
    purpose: String,
    agents: Vec<Agent<'a>>,
    entities: Vec<Entity<'a>>,
    pub leaf_recipient: &'a str,
    pub leaf_tier: &'static str,
    pub leaf_agreement: Option<String>,
    pub leaf_bases: &'a [String],
}

impl<'a> Event<'a> {
    pub fn new(id: &'a str, recorded: &'a str, gateway: &'a Gateway) -> Event<'a> {
        Event {
            id,
            recorded,
            gateway,
            kind: "",
            patient: None,
            profile: String::new(),
            action: 'E',
            class: (DCM, "110100"),
            interaction: None,
            outcome: '0',
            outcome_text: String::new(),
            purpose: String::new(),
            agents: Vec::new(),
            entities: Vec::new(),
            leaf_recipient: "",
            leaf_tier: "",
            leaf_agreement: None,
            leaf_bases: &[],
        }
    }

    pub fn agent(&mut self, agent: Agent<'a>) {
        self.agents.push(agent);
    }

    pub fn entity(&mut self, entity: Entity<'a>) {
        self.entities.push(entity);
    }

    pub fn purpose(&mut self, purpose: &str) {
        self.purpose = purpose.to_owned();
    }

    /// Information came in.
    pub fn import(&mut self, action: char) {
        (self.class, self.action) = ((DCM, "110107"), action);
    }

    /// The gateway did something.
    pub fn activity(&mut self, action: char) {
        (self.class, self.action) = ((DCM, "110100"), action);
    }

    /// Somebody should look.
    pub fn alert(&mut self, action: char) {
        (self.class, self.action) = ((DCM, "110113"), action);
    }

    /// A decision was made.
    pub fn decision(&mut self) {
        (self.class, self.action) = ((DCM, "110113"), 'E');
        self.profile = systems::canonical("StructureDefinition/safeguarding-decision");
    }

    /// A copy left.
    pub fn disclosure(&mut self) {
        (self.class, self.action) = ((DCM, "110106"), 'R');
        self.interaction = Some((LIFECYCLE, "disclose"));
        self.profile = systems::canonical("StructureDefinition/safeguarding-disclosure");
    }

    /// A REST interaction, after BALP.
    pub fn rest(&mut self, action: &str, interaction: &'static str) {
        self.class = (REST, "rest");
        self.action = action.chars().next().unwrap_or('E');
        self.interaction = Some((INTERACTION, interaction));
    }

    pub fn refused(&mut self, text: &str) {
        (self.outcome, self.outcome_text) = ('8', text.to_owned());
    }

    pub fn failed(&mut self, text: &str) {
        (self.outcome, self.outcome_text) = ('4', text.to_owned());
    }

    /// The BALP profile of a REST interaction that succeeded, between parties whose addresses are known.
    fn balp(&self) -> Option<String> {
        let (system, interaction) = self.interaction?;
        let addressed = self.agents.iter().all(|agent| {
            !(if agent.own { self.gateway.address.as_str() } else { agent.party.address }).is_empty()
        });
        if system != INTERACTION || self.outcome != '0' || !addressed {
            return None;
        }
        let name = match interaction {
            "create" => "Create",
            "update" => "Update",
            "delete" => "Delete",
            "read" | "vread" => "Read",
            "search" => "Query",
            _ => return None,
        };
        Some(if self.patient.is_some() { format!("{BALP}Patient{name}") } else { format!("{BALP}{name}") })
    }

    /// The event as canonical JSON: members in the order of their names.
    pub fn write(&self) -> String {
        let mut text = Text::with_capacity(3072);
        let own_system = systems::canonical("CodeSystem/audit-act");
        let balp = if self.profile.is_empty() { self.balp() } else { None };
        text.object(|o| {
            o.pair("action", self.action.encode_utf8(&mut [0; 4]));
            o.name("agent")
                .array(|list| self.agents.iter().for_each(|agent| agent.write(self.gateway, list)));
            o.name("entity").array(|list| {
                if let Some(patient) = self.patient {
                    write_patient(list, patient);
                }
                self.entities.iter().for_each(|entity| entity.write(list));
            });
            o.pair("id", self.id);
            if let Some(profile) = balp.as_deref().or(Some(&self.profile)).filter(|p| !p.is_empty()) {
                o.name("meta").object(|o| o.name("profile").array(|list| list.text(profile)));
            }
            o.pair("outcome", self.outcome.encode_utf8(&mut [0; 4]));
            o.pair_if("outcomeDesc", &self.outcome_text);
            if !self.purpose.is_empty() {
                o.name("purposeOfEvent").array(|list| {
                    list.object(|o| concept(o, &purpose::system(&self.purpose), &self.purpose));
                });
            }
            o.pair("recorded", self.recorded);
            o.pair("resourceType", "AuditEvent");
            o.name("source").object(|o| {
                o.name("observer").object(|o| {
                    o.pair_if("display", &self.gateway.name);
                    o.name("identifier").object(|o| {
                        o.pair("system", systems::ODS_ORGANIZATION);
                        o.pair("value", &self.gateway.organisation);
                    });
                });
                o.pair_if("site", &self.gateway.device);
            });
            o.name("subtype").array(|list| {
                if let Some((system, code)) = self.interaction {
                    list.object(|o| coding(o, system, code));
                }
                if balp.is_none() {
                    list.object(|o| coding(o, &own_system, self.kind));
                }
            });
            o.name("type").object(|o| coding(o, self.class.0, self.class.1));
        });
        text.finish()
    }
}
