//! `sgw init DIR`: writes a site to start from.

use super::site::{self, Site};
use super::{COULD_NOT_RUN, complain, say};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes an annotated `sgw.toml`, a starter registry (sources, partners, credentials), agreements, keys and examples.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write; it must be new or empty.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where the gateway will listen for HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the gateway will listen for MLLP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2575")]
    mllp: SocketAddr,
}

/// Writes the site. Exit codes: 0 written, 2 could not be written.
pub fn run(args: Args) -> ExitCode {
    match site::write(&args.folder, args.listen, args.mllp) {
        Ok(site) => {
            tell(&args, &site);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn tell(args: &Args, site: &Site) {
    let folder = args.folder.display();
    say(&format!("wrote {folder}/sgw.toml            settings, each explained, with its default"));
    say(&format!(
        "wrote {folder}/registry.yaml       sources, partners and credentials (only hashes of keys)"
    ));
    say(&format!(
        "wrote {folder}/agreements/         what is agreed with whom: an agreement for each partner"
    ));
    say(&format!(
        "wrote {folder}/keys/               {} keys and {} signing secrets",
        site.keys.len(),
        site.secrets.len()
    ));
    say(&format!(
        "wrote {folder}/examples/           an alert as HL7 v2, JSON and FHIR; a Consent; a Subscription"
    ));
    say(&format!("next: sgw serve --config {}", site.settings.display()));
}
