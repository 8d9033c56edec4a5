//! Definitions of others: the UK Core and NHS England profiles must all load and generate their snapshots.

use sgw::definitions::Definitions;
use std::path::PathBuf;

fn reference_data(folders: &[&str]) -> Option<Vec<PathBuf>> {
    let Ok(root) = std::env::var("SGW_REFERENCE_DATA") else {
        println!("skipped: SGW_REFERENCE_DATA is not set");
        return None;
    };
    Some(folders.iter().map(|folder| PathBuf::from(&root).join(folder)).collect())
}

#[test]
fn the_uk_core_and_nhs_england_profiles_all_generate() {
    let Some(paths) = reference_data(&["uk-core", "nhs-england"]) else { return };
    let loaded = Definitions::load(&paths).unwrap_or_else(|error| panic!("{error}"));
    let structures = loaded.definitions.given().filter(|given| given.resource_type == "StructureDefinition");
    let mut generated = 0;
    for artefact in structures {
        let structure = loaded.definitions.structure(&artefact.canonical()).unwrap();
        assert!(structure.elements.len() > 1, "{}", structure.url);
        generated += usize::from(structure.generated);
    }
    println!("{generated} snapshots generated");
    for issue in &loaded.issues {
        println!("{} {} {}: {}", issue.severity.code(), issue.rule, issue.expression, issue.text);
    }
    assert!(generated > 150, "{generated}");
}
