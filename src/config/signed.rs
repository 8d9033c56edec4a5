//! Signed agreements: `agreements.sig` beside them is a C2SP signed note that names every file with its SHA-256.
//!
//! When the settings name keys (`gateway.agreement_keys`), the folder is used only if its note is signed by one of them
//! and names exactly the files that are there, byte for byte. Anything else refuses the folder as a whole: at a start
//! the gateway does not start, at a reload the last good agreements stay in force and the refusal is recorded.

use crate::audit::{Signer, VerifierKey};
use crate::govern::PolicyError;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

/// The note's name beside the agreements.
pub const NOTE: &str = "agreements.sig";
const HEAD: &str = "sgw-agreements/v1";

/// The text that is signed: a head, then each file's name and digest in the order of their names.
fn manifest(documents: &[(String, String)]) -> String {
    let mut lines: Vec<String> = documents
        .iter()
        .map(|(file, text)| format!("{} sha256:{}", name(file), hex::encode(Sha256::digest(text.as_bytes()))))
        .collect();
    lines.sort();
    let mut manifest = format!("{HEAD}\n");
    for line in lines {
        let _never_fails = writeln!(manifest, "{line}");
    }
    manifest
}

fn name(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file)
}

/// The note for these agreements, signed.
pub fn sign(documents: &[(String, String)], signer: &Signer) -> String {
    signer.sign_note(&manifest(documents))
}

/// Checks that a folder's agreements are those that one of these keys signed.
///
/// # Errors
/// The note is missing, not signed by one of the keys, or names other files or other contents: each difference by name.
pub fn verify(
    folder: &Path,
    documents: &[(String, String)],
    keys: &[VerifierKey],
) -> Result<(), Vec<PolicyError>> {
    let path = folder.join(NOTE);
    let fault = |file: &str, line: Option<u32>, text: String| PolicyError {
        file: file.to_owned(),
        line,
        column: line.map(|_| 1),
        rule: "agreements-signature",
        text,
    };
    let place = path.display().to_string();
    let note = std::fs::read_to_string(&path)
        .map_err(|error| vec![fault(&place, None, format!("the agreements are not signed: {error}"))])?;
    let mut reasons = Vec::new();
    let opened = keys.iter().find_map(|key| match key.open(&note) {
        Ok(text) => Some(text),
        Err(error) => {
            reasons.push(error.to_string().replace("the checkpoint", "the note"));
            None
        }
    });
    let Some(signed) = opened else {
        return Err(vec![fault(&place, None, reasons.join("; "))]);
    };
    let expected = manifest(documents);
    if signed == expected {
        return Ok(());
    }
    let mut faults = Vec::new();
    let known: Vec<&str> = signed.lines().collect();
    if known.first() != Some(&HEAD) {
        faults.push(fault(&place, Some(1), format!("the note does not begin with `{HEAD}`")));
    }
    for line in expected.lines().skip(1).filter(|line| !known.contains(line)) {
        let file = line.split(' ').next().unwrap_or_default();
        let named = known.iter().any(|one| one.split(' ').next() == Some(file));
        let text = if named { "the file is not the one that was signed" } else { "the file was not signed" };
        let at = documents.iter().find(|(path, _)| name(path) == file).map_or(file, |(path, _)| path);
        faults.push(fault(at, None, text.to_owned()));
    }
    let actual: Vec<&str> = expected.lines().filter_map(|line| line.split(' ').next()).collect();
    for (number, line) in known.iter().enumerate().skip(1) {
        let file = line.split(' ').next().unwrap_or_default();
        if !actual.contains(&file) {
            let line = u32::try_from(number + 1).ok();
            faults.push(fault(&place, line, format!("`{file}` was signed and is not there")));
        }
    }
    if faults.is_empty() {
        faults.push(fault(&place, None, "the note names files twice or in another order".to_owned()));
    }
    Err(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Vec<(String, String)> {
        vec![("x/a.yaml".to_owned(), "id: a\n".to_owned()), ("x/b.yaml".to_owned(), "id: b\n".to_owned())]
    }

    fn checked(
        note: &str,
        documents: &[(String, String)],
        keys: &[VerifierKey],
    ) -> Result<(), Vec<PolicyError>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NOTE), note).unwrap();
        verify(folder.path(), documents, keys)
    }

    #[test]
    fn what_was_signed_is_accepted_and_nothing_else() {
        let signer = Signer::generate("RZZ00/agreements").unwrap();
        let other = Signer::generate("RZZ00/agreements").unwrap();
        let keys = [signer.verifier()];
        let note = sign(&documents(), &signer);
        assert_eq!(checked(&note, &documents(), &keys), Ok(()));
        assert_eq!(checked(&note, &documents(), &[other.verifier(), signer.verifier()]), Ok(()));
        let refused = |note: &str, documents: &[(String, String)], keys: &[VerifierKey], named: &str| {
            let errors = checked(note, documents, keys).unwrap_err();
            assert!(errors.iter().all(|error| error.rule == "agreements-signature"));
            assert!(errors.iter().any(|error| error.to_string().contains(named)), "{named}: {errors:?}");
        };
        refused(&note, &documents(), &[other.verifier()], "not signed by the key");
        refused(&note, &documents(), &[], "");
        let mut changed = documents();
        changed[1].1.push('#');
        refused(&note, &changed, &keys, "x/b.yaml: the file is not the one that was signed");
        refused(&note, &documents()[..1], &keys, "`b.yaml` was signed and is not there");
        let mut more = documents();
        more.push(("x/c.yaml".to_owned(), String::new()));
        refused(&note, &more, &keys, "x/c.yaml: the file was not signed");
        refused(&note.replace("a.yaml", "c.yaml"), &documents(), &keys, "wrong");
        refused(&note.replace('\u{2014}', "-"), &documents(), &keys, "not a signed note");
        refused(&signer.sign_note("something else\n"), &documents(), &keys, "does not begin");
        refused("", &documents(), &keys, "not a signed note");
        let empty = tempfile::tempdir().unwrap();
        let missing = verify(empty.path(), &documents(), &keys).unwrap_err();
        assert!(missing[0].text.contains("not signed"), "{missing:?}");
    }
}
