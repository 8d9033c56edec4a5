//! `sgw snapshot`: what a profile says in full.

use super::{COULD_NOT_RUN, complain, say};
use crate::definitions::{Definitions, LoadError};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Print a StructureDefinition with its snapshot, generated from the differential where it has none.
///
/// Exit codes: 0 printed, 2 not found, or the definition is broken.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The canonical (perhaps with `|version`), the name of a FHIR type, or a file with StructureDefinitions
    #[arg(value_name = "URL|FILE")]
    definition: String,
    /// Definitions to use: a file, a folder, a Bundle, or a FHIR package (.tgz); may be given several times
    #[arg(long, value_name = "PATH")]
    definitions: Vec<PathBuf>,
    /// Generate the snapshot again even where the definition carries one
    #[arg(long)]
    regenerate: bool,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match texts(&args) {
        Ok(texts) => {
            texts.iter().for_each(|text| say(text));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            complain(&reason);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn texts(args: &Args) -> Result<Vec<String>, String> {
    let file = PathBuf::from(&args.definition);
    let mut paths = args.definitions.clone();
    if file.is_file() {
        paths.push(file.clone());
    }
    let definitions = if paths.is_empty() {
        Definitions::builtin()
    } else {
        let loaded = Definitions::load(&paths).map_err(|error: LoadError| error.to_string())?;
        for issue in &loaded.issues {
            complain(&format!("{} {}: {}", issue.severity.code(), issue.expression, issue.text));
        }
        loaded.definitions
    };
    let wanted = if file.is_file() { in_file(&definitions, &file) } else { vec![named(&args.definition)] };
    if wanted.is_empty() {
        return Err(format!("`{}` holds no StructureDefinition", args.definition));
    }
    wanted.iter().map(|canonical| text(&definitions, canonical, args.regenerate)).collect()
}

/// The canonical of a FHIR type that is named alone.
fn named(definition: &str) -> String {
    if definition.contains([':', '/']) {
        return definition.to_owned();
    }
    format!("http://hl7.org/fhir/StructureDefinition/{definition}")
}

fn in_file(definitions: &Arc<Definitions>, file: &std::path::Path) -> Vec<String> {
    let origin = file.display().to_string();
    let from_file =
        |given: &str| given == origin || given.strip_prefix(&origin).is_some_and(|r| r.starts_with('#'));
    definitions
        .given()
        .filter(|given| given.resource_type == "StructureDefinition" && from_file(&given.origin))
        .map(|given| given.canonical())
        .collect()
}

fn text(definitions: &Definitions, canonical: &str, regenerate: bool) -> Result<String, String> {
    let body =
        if regenerate { definitions.regenerated(canonical) } else { definitions.with_snapshot(canonical) };
    let body = body.map_err(|why| why.to_string())?;
    serde_json::to_string_pretty(&body).map_err(|error| error.to_string())
}
