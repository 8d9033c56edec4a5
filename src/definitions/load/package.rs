//! FHIR packages: <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>.

use super::{Gathering, LIMITS, LoadError};
use crate::fhir::Issue;
use crate::fhir::json;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;

/// What a package says of itself.
pub(super) struct Described {
    origin: String,
    name: String,
    fhir_versions: Vec<String>,
    dependencies: Vec<String>,
}

/// Packages that are built in or that only carry what is.
const BUILT_IN: &[&str] =
    &["hl7.fhir.r4.core", "hl7.fhir.r4.examples", "hl7.fhir.r4.expansions", "hl7.fhir.core"];
/// No package unpacks to more.
const UNPACKED: u64 = 2 << 30;

impl Gathering {
    pub(super) fn package(&mut self, origin: &str, bytes: &[u8]) -> Result<(), LoadError> {
        let unreadable =
            |reason: &str| LoadError::Unreadable { path: origin.to_owned(), reason: reason.to_owned() };
        let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(UNPACKED));
        let entries = archive.entries().map_err(|_| unreadable("it is not a package"))?;
        let mut described = false;
        for entry in entries {
            let mut entry = entry.map_err(|_| unreadable("the package is damaged"))?;
            let path = entry.path().map_err(|_| unreadable("the package is damaged"))?.into_owned();
            let mut parts = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let (Some(folder), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if folder != "package"
                || name.starts_with('.')
                || !(name.ends_with(".json") || name.ends_with(".xml"))
            {
                continue;
            }
            if entry.size() > LIMITS.bytes as u64 {
                return Err(unreadable("a file in the package is longer than accepted"));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(|_| unreadable("the package is damaged"))?;
            let place = format!("{origin}#{name}");
            if name == "package.json" {
                let value = json::parse(&content, &LIMITS)
                    .map_err(|error| LoadError::Unreadable { path: place, reason: error.to_string() })?;
                self.packages.push(describe(origin, &value));
                described = true;
            } else {
                self.document(&place, &content)?;
            }
        }
        if described {
            Ok(())
        } else {
            Err(unreadable("it is not a FHIR package: `package/package.json` is missing"))
        }
    }

    /// Reports dependencies that are not among the packages given, and packages for other versions of FHIR.
    pub(super) fn missing_dependencies(&mut self) {
        for package in &self.packages {
            for dependency in &package.dependencies {
                let given = self.packages.iter().any(|other| other.name == *dependency);
                if !given && !BUILT_IN.contains(&dependency.as_str()) {
                    let text =
                        format!("the package `{}` needs `{dependency}`, which was not given", package.name);
                    self.issues.push(Issue::warning(
                        "not-found",
                        "package-dependency",
                        package.origin.clone(),
                        text,
                    ));
                }
            }
            let fits = package.fhir_versions.iter().any(|version| version.starts_with("4.0"));
            if !fits && !package.fhir_versions.is_empty() {
                let text = format!("the package `{}` is not for FHIR 4.0", package.name);
                self.issues.push(Issue::warning(
                    "not-supported",
                    "package-version",
                    package.origin.clone(),
                    text,
                ));
            }
        }
    }
}

fn describe(origin: &str, value: &Value) -> Described {
    let listed = |name: &str| {
        let list = value.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut fhir_versions = listed("fhirVersions");
    fhir_versions.extend(listed("fhir-version-list"));
    let dependencies = value.get("dependencies").and_then(Value::as_object);
    Described {
        origin: origin.to_owned(),
        name: value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        fhir_versions,
        dependencies: dependencies.into_iter().flat_map(|all| all.keys().cloned()).collect(),
    }
}
