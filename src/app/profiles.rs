//! `sgw profiles`: which definitions are known.

use super::{COULD_NOT_RUN, complain, say};
use crate::definitions::Definitions;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// List the profiles and extensions that are known: the gateway's own, FHIR's, and those given.
///
/// Exit codes: 0 listed, 2 the definitions could not be loaded.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Definitions to use: a file, a folder, a Bundle, or a FHIR package (.tgz); may be given several times
    #[arg(long, value_name = "PATH")]
    definitions: Vec<PathBuf>,
    /// Only definitions of this type, such as `Flag` or `Extension`
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// List the definitions of FHIR's own types and extensions too
    #[arg(long)]
    all: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

struct Line {
    canonical: String,
    type_name: String,
    name: String,
    origin: String,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let loaded = if args.definitions.is_empty() {
        Ok(Definitions::builtin())
    } else {
        Definitions::load(&args.definitions).map(|loaded| loaded.definitions)
    };
    match loaded {
        Ok(definitions) => {
            print(&args, &lines(&args, &definitions));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn lines(args: &Args, definitions: &Definitions) -> Vec<Line> {
    let named =
        |body: &Value, name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let given = definitions.given().filter(|given| given.resource_type == "StructureDefinition");
    let mut lines: Vec<Line> = given
        .map(|given| Line {
            canonical: given.canonical(),
            type_name: named(&given.body, "type"),
            name: named(&given.body, "name"),
            origin: given.origin.clone(),
        })
        .collect();
    let packed = definitions.packed().iter().filter(|listing| {
        listing.resource_type == "StructureDefinition"
            && (args.all || listing.derivation == "constraint" && listing.type_name != "Extension")
    });
    lines.extend(packed.map(|listing| Line {
        canonical: format!("{}|{}", listing.url, listing.version),
        type_name: listing.type_name.to_owned(),
        name: listing.name.to_owned(),
        origin: if listing.is_core { "FHIR R4" } else { "HL7's extensions pack" }.to_owned(),
    }));
    lines.retain(|line| args.type_name.as_ref().is_none_or(|wanted| *wanted == line.type_name));
    lines
}

fn print(args: &Args, lines: &[Line]) {
    if args.json {
        let all: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({"canonical": line.canonical, "type": line.type_name, "name": line.name, "origin": line.origin})
            })
            .collect();
        say(&Value::Array(all).to_string());
        return;
    }
    for line in lines {
        say(&format!("{}\t{}\t{}\t{}", line.canonical, line.type_name, line.name, line.origin));
    }
}
