//! The world of the demonstration: a site in a temporary folder, a gateway that serves it, and three partners.

use super::StoryError;
use super::desk::Desk;
use super::observe::Observed;
use super::partner::Partner;
use crate::app::serve::{self, Running};
use crate::app::site::{self, Site};
use crate::app::{audit, say};
use crate::config::Deployment;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Everything that runs.
pub struct World {
    /// How the story speaks to the gateway.
    pub desk: Desk,
    /// The council's hub, the emergency department and the housing provider.
    pub partners: Vec<Partner>,
    site: Site,
    gateway: Running,
    folder: PathBuf,
    leave: bool,
}

const PARTNERS: [(&str, &str); 3] = [
    ("hub", "Northshire Council's multi-agency safeguarding hub"),
    ("ed", "Eastmoor Emergency Department"),
    ("housing", "Moorland Homes, a housing provider"),
];

impl World {
    /// Writes the site, starts the partners and the gateway, and lets each partner subscribe.
    pub async fn start(observed: &mut Observed, given: Option<PathBuf>) -> Result<World, StoryError> {
        let leave = given.is_some();
        let folder =
            given.unwrap_or_else(|| std::env::temp_dir().join(format!("sgw-demo-{}", uuid::Uuid::new_v4())));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let site =
            site::write(&folder, any_port, any_port).map_err(|error| StoryError::Start(error.to_string()))?;
        let deployment =
            Deployment::load(&site.settings).map_err(|error| StoryError::Start(error.to_string()))?;
        let gateway = serve::start(deployment).await.map_err(|error| StoryError::Start(error.to_string()))?;
        let mllp = gateway.mllp().ok_or_else(|| StoryError::Start("no MLLP listener".into()))?;
        let desk = Desk::new(format!("http://{}", gateway.http()), mllp, site.keys.clone())?;
        say("The safeguarding gateway: the main job, end to end.");
        say(&format!("   gateway    {} and MLLP on {mllp}", desk.base));
        let mut partners = Vec::new();
        for (id, name) in PARTNERS {
            let secret = site.secrets.get(id).map(String::as_str).unwrap_or_default();
            let partner = Partner::start(id, secret).await?;
            say(&format!("   {id:<10} {name}, {}", partner.endpoint()));
            partners.push(partner);
        }
        let world = World { desk, partners, site, gateway, folder, leave };
        observed.step("Three partners subscribe to safeguarding Flags");
        for partner in &world.partners {
            world.subscribe(partner, observed).await?;
        }
        Ok(world)
    }

    async fn subscribe(&self, partner: &Partner, observed: &mut Observed) -> Result<(), StoryError> {
        let body = site::subscription(&partner.endpoint()).to_string().into_bytes();
        let answer = self.desk.post(partner.id, "/fhir/Subscription", "application/fhir+json", body).await?;
        let id = answer.body["id"].as_str().unwrap_or_default().to_owned();
        let started = Instant::now();
        let mut status = answer.body["status"].as_str().unwrap_or_default().to_owned();
        let requested = answer.status.as_u16() == 201 && status == "requested";
        while status != "active" && status != "error" && started.elapsed() < Duration::from_secs(15) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let read = self.desk.get(partner.id, &format!("/fhir/Subscription/{id}")).await?;
            status = read.body["status"].as_str().unwrap_or_default().to_owned();
        }
        let text = format!("{}: requested, handshake received and verified, then {status}", partner.id);
        observed.expect(requested && status == "active" && !partner.received().is_empty(), &text);
        Ok(())
    }

    /// The partner with this id.
    ///
    /// The ids are those of [`PARTNERS`]; another one answers the first partner.
    pub fn partner(&self, id: &str) -> &Partner {
        let position = self.partners.iter().position(|partner| partner.id == id).unwrap_or_default();
        &self.partners[position]
    }

    /// The partner with this id, to take it down or bring it back.
    pub fn partner_mut(&mut self, id: &str) -> &mut Partner {
        let position = self.partners.iter().position(|partner| partner.id == id).unwrap_or_default();
        &mut self.partners[position]
    }

    /// Prints addresses and keys for somebody who goes on by hand.
    pub fn show_the_way_in(&self) {
        say("");
        say("The gateway and the partners keep running until Ctrl-C.");
        say(&format!("   site       {}", self.folder.display()));
        say(&format!("   gateway    {}", self.desk.base));
        for (id, key) in &self.site.keys {
            say(&format!("   key        {id:<10} {key}"));
        }
        say("   try        curl -H 'Authorization: Bearer KEY' GATEWAY/fhir/AuditEvent?_count=5");
    }

    /// Drains the gateway, verifies the audit log it left, and removes the folder.
    pub async fn stop(self, observed: &mut Observed) -> Result<(), StoryError> {
        let settings = self.site.settings.clone();
        self.gateway.stop().await.map_err(|error| StoryError::Start(error.to_string()))?;
        observed.step("The gateway has stopped; its audit log is verified from the database it left");
        let verified =
            audit::verify_site(&settings).await.map_err(|error| StoryError::Start(error.to_string()))?;
        observed.tell("verified", &audit::summary(&verified));
        observed.expect(
            verified.findings.is_empty() && verified.size > 0,
            "every leaf, their order and the root hold",
        );
        say("");
        say("Where to go next: README.md, \"By hand\": sgw init site; sgw serve --config site/sgw.toml");
        if self.leave {
            let config = self.site.settings.display();
            say(&format!("The log it left: sgw audit verify --config {config}"));
        } else {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}
