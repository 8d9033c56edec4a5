//! `sgw fhirpath`: evaluates an expression, for those who write profiles and mappings.

use super::{COULD_NOT_RUN, complain, say};
use crate::definitions::{Definitions, FhirTypes};
use crate::fhir::json::{self, Limits};
use crate::fhir::tree::{NodeId, Tree};
use crate::fhir::xml;
use crate::fhirpath::{Coded, Collection, Environment, Expression, Item, Services};
use crate::validate::Validator;
use jiff::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Evaluate a FHIRPath expression on a resource and print what it yields as a JSON array of type and value.
///
/// Exit codes: 0 evaluated, 2 a syntax, semantic or evaluation error, or the input could not be read.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The resource to evaluate on, JSON or XML; without one, the expression stands alone
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Find errors of meaning before evaluating: unknown elements and types, wrong operands, an undefined order
    #[arg(long)]
    strict: bool,
    /// The expression
    #[arg(value_name = "EXPRESSION", allow_hyphen_values = true)]
    expression: String,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match answer(&args) {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            complain(&reason);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn answer(args: &Args) -> Result<String, String> {
    let expression = Expression::parse(&args.expression).map_err(|error| format!("syntax error: {error}"))?;
    let source = args.input.as_deref().map(read).transpose()?;
    let limits = Limits::default();
    let tree = match &source {
        None => None,
        Some(text) if is_xml(text) => Some(
            Tree::from_xml(text, &limits).map_err(|error| format!("the input is not FHIR XML: {error}"))?,
        ),
        Some(text) => Some(
            Tree::from_json(text, &limits).map_err(|error| format!("the input is not FHIR JSON: {error}"))?,
        ),
    };
    let types = FhirTypes::get();
    if args.strict {
        let context = tree.as_ref().and_then(|tree| tree.resource_type(tree.root()));
        expression.check(types, context).map_err(|error| format!("semantic error: {error}"))?;
    }
    let asked = Asked { definitions: Definitions::builtin(), source: source.as_deref() };
    let environment = Environment::new(types, &asked, Timestamp::now());
    let found = match &tree {
        Some(tree) => expression.evaluate(tree, tree.root(), &environment),
        None => expression.evaluate_alone(&environment),
    };
    let found = found.map_err(|error| format!("evaluation error: {error}"))?;
    let nothing = Tree::from_value(&Value::Null);
    let shown = tree.as_ref().unwrap_or(&nothing);
    let list = found.iter().map(|item| {
        let name = match item {
            Item::Node(node) => environment.type_of(shown, *node),
            _ => None,
        };
        item.to_json(shown, name)
    });
    Ok(Value::Array(list.collect()).to_string())
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let begins = bytes.iter().find(|byte| !byte.is_ascii_whitespace() && byte.is_ascii());
    if begins == Some(&b'<') {
        return xml::text(&bytes).map(|text| text.into_owned()).map_err(|error| error.to_string());
    }
    json::text(&bytes, &Limits::default()).map(str::to_owned).map_err(|error| error.to_string())
}

fn is_xml(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

/// What an expression asks: terminology of the built-in definitions, profiles of the validator.
struct Asked<'s> {
    definitions: Arc<Definitions>,
    source: Option<&'s str>,
}

impl Services for Asked<'_> {
    fn conforms_to(&self, tree: &Tree<'_>, node: NodeId, profile: &str) -> Result<bool, String> {
        let structure = self.definitions.structure(profile);
        let structure = structure.ok_or_else(|| format!("the profile `{profile}` is not known"))?;
        let found = Environment::untyped(Timestamp::UNIX_EPOCH);
        let found =
            Environment { model: FhirTypes::get(), ..found }.type_of(tree, node).unwrap_or("").to_owned();
        if !self.definitions.is_a(&found, &structure.type_name) {
            return Ok(false);
        }
        match self.source {
            Some(source) if node == tree.root() => {
                let validator = Validator::builtin();
                let report = match is_xml(source) {
                    true => validator.validate_xml(source, &[profile]),
                    false => validator.validate_json(source, &[profile]),
                };
                Ok(report.is_valid())
            }
            _ if !structure.is_profile() => Ok(true),
            _ => Err("`conformsTo` with a profile is answered for the whole resource only".to_owned()),
        }
    }

    fn member_of(&self, coded: &Coded<'_>, value_set: &str) -> Option<bool> {
        self.definitions.member_of(coded, value_set)
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        Services::subsumes(&*self.definitions, system, general, special)
    }

    fn trace(&self, _: &Tree<'_>, name: &str, values: &Collection<'_>) {
        complain(&format!("trace `{name}`: {} values", values.len()));
    }
}
