//! The catalogue of rules: every finding names one of them, or the key of an invariant.
//!
//! The names are stable. `docs/validation-rules.md` tells what each checks; a test compares the two.

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The stable name.
    pub name: &'static str,
    /// The FHIR issue type of its findings.
    pub code: &'static str,
    /// The section of the specification it comes from.
    pub section: &'static str,
    /// What must hold.
    pub text: &'static str,
}

macro_rules! rules {
    ($($constant:ident $name:literal $code:literal $section:literal $text:literal;)*) => {
        $(#[doc = $text] pub const $constant: &Rule =
            &Rule { name: $name, code: $code, section: concat!("https://hl7.org/fhir/R4/", $section), text: $text };)*
        /// Every rule, in the order of the rules page.
        pub const ALL: &[&Rule] = &[$($constant),*];
    };
}

rules! {
    JSON_SYNTAX "json-syntax" "structure" "json.html" "the content is JSON (RFC 8259)";
    XML_SYNTAX "xml-syntax" "structure" "xml.html" "the content is well-formed XML without a document type";
    ENCODING "encoding" "structure" "json.html" "the content is UTF-8";
    DEPTH "depth" "too-long" "json.html" "the content is nested no more deeply than accepted";
    SIZE "size" "too-long" "json.html" "the content is no longer than accepted";
    NOT_A_RESOURCE "not-a-resource" "structure" "json.html#resources" "the content is one resource";
    RESOURCE_TYPE "resource-type" "structure" "json.html#resources" "a resource names its type, and only a resource does";
    UNKNOWN_RESOURCE "unknown-resource" "structure" "resourcelist.html" "the type of a resource is one of R4";
    DUPLICATE_KEY "duplicate-key" "structure" "json.html" "a member stands once in a JSON object";
    NULL_VALUE "null-value" "structure" "json.html#null" "null stands only in an array beside its `_` sibling";
    EMPTY_ARRAY "empty-array" "structure" "json.html" "an array is not empty";
    EMPTY_OBJECT "empty-object" "structure" "json.html" "an object is not empty";
    EMPTY_STRING "empty-string" "structure" "datatypes.html#string" "a string is not empty";
    MISALIGNED_ARRAY "misaligned-array" "structure" "json.html#primitive" "an array of primitives and its `_` sibling align";
    NESTED_ARRAY "nested-array" "structure" "json.html" "an array does not stand directly in an array";
    UNDERSCORE_SHAPE "underscore-shape" "structure" "json.html#primitive" "a `_` sibling is an object beside a primitive";
    ARRAY_SHAPE "array-shape" "structure" "json.html" "what may repeat is an array, and nothing else is";
    JSON_KIND "json-kind" "structure" "json.html#primitive" "a primitive has the JSON type of its FHIR type";
    PRIMITIVE_SHAPE "primitive-shape" "structure" "json.html#primitive" "a primitive is written as one, and a complex element is not";
    XML_NAMESPACE "xml-namespace" "structure" "xml.html" "elements are in the FHIR namespace, the narrative in that of XHTML";
    XML_ATTRIBUTE "xml-attribute" "structure" "xml.html" "only `value`, `id` and `url` are attributes";
    XML_TEXT "xml-text" "structure" "xml.html" "there is no text between elements";
    XML_ORDER "xml-order" "structure" "xml.html" "elements stand in the order of the definition";
    XML_RESOURCE "xml-resource" "structure" "xml.html" "an element that holds a resource holds exactly one";
    XML_DTD "xml-dtd" "structure" "xml.html" "there is no document type declaration";
    UNKNOWN_ELEMENT "unknown-element" "structure" "formats.html" "an element is one the definition has";
    CARDINALITY_MIN "cardinality-min" "required" "conformance-rules.html#cardinality" "an element occurs at least as often as asked";
    CARDINALITY_MAX "cardinality-max" "structure" "conformance-rules.html#cardinality" "an element occurs at most as often as allowed";
    CHOICE_TYPE "choice-type" "structure" "formats.html#choice" "a choice has one of the allowed types, and one only";
    ABSTRACT_TYPE "abstract-type" "structure" "types.html" "an abstract type is not used as such";
    ELEMENT_ID "element-id" "invalid" "element.html#id" "the id of an element stands once in its resource, and in each view of a StructureDefinition";
    ELE_1 "ele-1" "invariant" "element.html" "an element has a value or children";
    EXT_1 "ext-1" "invariant" "extensibility.html" "an extension has a value or extensions, and not both";
    PRIMITIVE_VALUE "primitive-value" "required" "element.html" "a primitive has a value or an extension";
    PRIMITIVE_FORMAT "primitive-format" "value" "datatypes.html#primitive" "a primitive has the form and the meaning of its type";
    CANONICAL_ABSOLUTE "canonical-absolute" "invalid" "datatypes.html#canonical" "a canonical is absolute, or a fragment";
    IDENTIFIER_URI "identifier-uri" "invalid" "datatypes.html#Identifier" "an identifier whose system is `urn:ietf:rfc:3986` is a whole URI";
    ATTACHMENT_HASH "attachment-hash" "value" "datatypes.html#Attachment" "the stated hash of an attachment is that of its data";
    MAX_LENGTH "max-length" "too-long" "elementdefinition.html#ElementDefinition.maxLength" "a string is no longer than allowed";
    MIN_VALUE "min-value" "value" "elementdefinition.html#ElementDefinition.minValue_x_" "a value is not below the minimum";
    MAX_VALUE "max-value" "value" "elementdefinition.html#ElementDefinition.maxValue_x_" "a value is not above the maximum";
    FIXED "fixed" "value" "elementdefinition.html#ElementDefinition.fixed_x_" "a value is exactly the fixed one";
    PATTERN "pattern" "value" "elementdefinition.html#ElementDefinition.pattern_x_" "a value has all that the pattern has";
    VALUE_REQUIRED "value-required" "required" "elementdefinition.html" "a primitive whose definition demands a value has one";
    ATTACHMENT_SIZE "attachment-size" "value" "datatypes.html#Attachment" "the stated size of an attachment is that of its data";
    INVARIANT_UNUSABLE "invariant-unusable" "processing" "conformance-rules.html#constraints" "an invariant of a definition can be evaluated";
    BINDING_REQUIRED "binding-required" "code-invalid" "terminologies.html#required" "a code is in the value set of a required binding";
    BINDING_EXTENSIBLE "binding-extensible" "code-invalid" "terminologies.html#extensible" "a code is in the value set of an extensible binding, if it has one that fits";
    BINDING_PREFERRED "binding-preferred" "code-invalid" "terminologies.html#preferred" "a code is in the value set of a preferred binding";
    BINDING_MAX "binding-max" "code-invalid" "extension-elementdefinition-maxvalueset.html" "a code is in the maximum value set";
    CODE_UNKNOWN "code-unknown" "code-invalid" "codesystem.html" "a code is one its code system defines";
    CODE_DISPLAY "code-display" "value" "datatypes.html#Coding" "a display is one the code system gives the code";
    CODE_INACTIVE "code-inactive" "business-rule" "codesystem.html" "a code is active";
    CODE_ABSTRACT "code-abstract" "business-rule" "codesystem.html" "a code that is chosen is not abstract";
    CODING_SYSTEM "coding-system" "value" "datatypes.html#Coding" "the system of a coding is the absolute URI of a code system";
    SLICING_CLOSED "slicing-closed" "structure" "profiling.html#slicing" "an element of a closed slicing is in a slice";
    SLICING_ORDER "slicing-order" "structure" "profiling.html#slicing" "slices stand in their order";
    SLICING_AMBIGUOUS "slicing-ambiguous" "structure" "profiling.html#discriminator" "an element is in one slice only";
    SLICING_DISCRIMINATOR "slicing-discriminator" "processing" "profiling.html#discriminator" "a slice can be told from others by its discriminators";
    PROFILE_UNKNOWN "profile-unknown" "not-found" "resource.html#Meta" "a profile that a resource claims is known";
    PROFILE_UNRESOLVED "profile-unresolved" "not-found" "profiling.html" "a profile that a definition asks for is known";
    PROFILE_TYPE "profile-type" "structure" "profiling.html" "a profile is for the type it is applied to";
    PROFILE_MATCH "profile-match" "structure" "profiling.html" "an element meets one of the profiles its definition allows";
    EXTENSION_URL "extension-url" "structure" "extensibility.html#Extension" "an extension has an absolute `url`";
    EXTENSION_UNKNOWN "extension-unknown" "extension" "extensibility.html#Extension" "an extension has a definition that is known";
    EXTENSION_CONTEXT "extension-context" "extension" "defining-extensions.html#context" "an extension stands where its definition allows it";
    EXTENSION_MODIFIER "extension-modifier" "extension" "extensibility.html#modifierExtension" "a modifier extension, and no other, stands in `modifierExtension`";
    REFERENCE_TARGET "reference-target" "value" "references.html#Reference" "a reference is to one of the allowed types";
    REFERENCE_TYPE "reference-type" "value" "references.html#Reference" "the `type` of a reference is that of its target";
    REFERENCE_FORMAT "reference-format" "value" "references.html#literal" "a literal reference is a URL in one of the forms FHIR gives";
    REFERENCE_CONTAINED "reference-contained" "not-found" "references.html#contained" "a reference to a contained resource finds it";
    REFERENCE_BUNDLED "reference-bundled" "not-found" "bundle.html#references" "a reference that must be met within the bundle is";
    REFERENCE_AMBIGUOUS "reference-ambiguous" "not-found" "bundle.html#references" "a reference finds one entry of the bundle only";
    REFERENCE_AGGREGATION "reference-aggregation" "structure" "elementdefinition.html#ElementDefinition.type.aggregation" "the target of a reference stands where the profile asks";
    REFERENCE_VERSION "reference-version" "structure" "elementdefinition.html#ElementDefinition.type.versioning" "a reference names a version, or none, as the profile asks";
    REFERENCE_EMPTY "reference-empty" "structure" "references.html#Reference" "a reference has a literal, an identifier or at least a display";
    CONTAINED_ID "contained-id" "required" "references.html#contained" "a contained resource has an id, and no other has the same";
    BUNDLE_FIRST "bundle-first" "invalid" "bundle.html" "the first entry of a document is a Composition, of a message a MessageHeader";
    BUNDLE_FULL_URL "bundle-full-url" "invalid" "bundle.html#bundle-unique" "the fullUrl of an entry is absolute and ends with the type and id of its resource";
    BUNDLE_FULL_URL_REQUIRED "bundle-full-url-required" "required" "bundle.html" "an entry has a fullUrl, except in batches and transactions";
    BUNDLE_LINK "bundle-link" "invalid" "bundle.html#Bundle.link" "the links of a bundle suit its type, and each relation stands once";
    BUNDLE_SEARCH "bundle-search" "invalid" "bundle.html#searchset" "the entries of a searchset have ids, modes and the types that were searched";
    BUNDLE_UNREACHABLE "bundle-unreachable" "invalid" "documents.html" "every entry is linked with the Composition or MessageHeader";
    BUNDLE_RESOURCE "bundle-resource" "required" "bundle.html" "an entry that must hold a resource does";
    NARRATIVE_XML "narrative-xml" "structure" "narrative.html" "the narrative is one well-formed XHTML `div`";
    NARRATIVE_ELEMENT "narrative-element" "invalid" "narrative.html#xhtml" "the narrative holds only the elements and attributes that are allowed, each where XHTML has it";
    NARRATIVE_EMPTY "narrative-empty" "invariant" "narrative.html#xhtml" "the narrative holds text or an image";
    NARRATIVE_LINK "narrative-link" "invalid" "narrative.html#id" "a link in the narrative has a safe scheme, or finds its target";
    NARRATIVE_LANGUAGE "narrative-language" "business-rule" "narrative.html#lang" "the narrative has the language sections that the profile asks for";
    MARKDOWN_HTML "markdown-html" "value" "datatypes.html#markdown" "markdown holds no HTML tags";
    SD_KIND "sd-kind" "business-rule" "structuredefinition.html" "a definition is of the kind of its base, and says how it derives from it";
    SD_BINDING "sd-binding" "business-rule" "elementdefinition.html#ElementDefinition.binding" "an element is bound to a value set";
    SD_VALUE "sd-value" "business-rule" "elementdefinition.html#ElementDefinition.fixed_x_" "a fixed value or pattern is of the element's type";
    SD_SLICING "sd-slicing" "business-rule" "structuredefinition.html" "the slicing of a differential suits its base";
    SD_SNAPSHOT "sd-snapshot" "business-rule" "structuredefinition.html" "a snapshot can be generated from the differential";
    SD_TYPE "sd-type" "business-rule" "elementdefinition.html#ElementDefinition.type" "an element of a snapshot has a type that its base allows, or the content of another element";
    SD_TYPE_PROFILE "sd-type-profile" "business-rule" "elementdefinition.html#ElementDefinition.type.profile" "a profile on a type is for that type";
    SD_EXPRESSION "sd-expression" "business-rule" "structuredefinition.html" "an invariant's expression is FHIRPath";
    VS_SYSTEM "vs-system" "business-rule" "valueset.html" "the system of an include is the absolute URI of a code system, without a version";
    VS_CODE "vs-code" "code-invalid" "valueset.html" "a concept or filter of an include suits its code system";
    CS_PROPERTY "cs-property" "business-rule" "codesystem.html#properties" "the properties of a code system agree with their definitions";
    CS_CONCEPT "cs-concept" "business-rule" "codesystem.html" "the concepts of a code system are unique and counted";
    CM_CODE "cm-code" "code-invalid" "conceptmap.html" "the codes of a concept map are in its source and target";
    SP_EXPRESSION "sp-expression" "business-rule" "searchparameter.html" "the expression of a search parameter is FHIRPath, and begins with a type it is for";
    SP_COMPONENT "sp-component" "business-rule" "searchparameter.html" "a composite search parameter has two components or more";
    OD_PARAMETER "od-parameter" "business-rule" "operationdefinition.html" "the parameters of an operation agree with its profiles";
    Q_ITEM "q-item" "business-rule" "questionnaire.html" "the items of a questionnaire are consistent";
    QR_ITEM "qr-item" "business-rule" "questionnaireresponse.html" "the items and answers of a response are those of its questionnaire";
    NOT_CHECKED "not-checked" "incomplete" "validation.html" "what could not be checked is said";
}

/// The rule of this name; `None` for the key of an invariant.
pub fn find(name: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../docs/validation-rules.md");

    #[test]
    fn every_rule_is_documented_and_every_documented_rule_exists() {
        let documented: Vec<&str> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("| `").and_then(|rest| rest.split('`').next()))
            .collect();
        for rule in ALL {
            assert!(documented.contains(&rule.name), "`{}` is not in docs/validation-rules.md", rule.name);
        }
        for name in documented {
            assert!(
                find(name).is_some(),
                "docs/validation-rules.md describes `{name}`, which does not exist"
            );
        }
    }

    #[test]
    fn names_are_unique() {
        for (index, rule) in ALL.iter().enumerate() {
            assert!(ALL.iter().skip(index + 1).all(|other| other.name != rule.name), "{}", rule.name);
        }
    }

    #[test]
    fn what_the_readers_report_is_in_the_catalogue() {
        use crate::fhir::{json::Limits, tree::Tree};
        let texts = [
            r#"{"resourceType":7}"#,
            r#"{"a":1,"a":2,"b":null,"c":[],"d":{},"e":"","f":[[1]],"_g":[{"id":"x"}],"g":["x","y"],"_h":"x","h":"x"}"#,
        ];
        for text in texts {
            for problem in Tree::from_json(text, &Limits::DEFAULT).unwrap().problems() {
                assert!(find(problem.rule).is_some(), "{}", problem.rule);
            }
        }
        for text in ["{", "", "[1]", &"[".repeat(100)] {
            assert!(find(Tree::from_json(text, &Limits::DEFAULT).unwrap_err().rule).is_some());
        }
        let text =
            "<Flag xmlns='http://hl7.org/fhir' x='y'>t<status xmlns='urn:x' value=''/><contained/></Flag>";
        for problem in Tree::from_xml(text, &Limits::DEFAULT).unwrap().problems() {
            assert!(find(problem.rule).is_some(), "{}", problem.rule);
        }
        for text in ["<a", "<!DOCTYPE a><a/>", "<a>&x;</a>"] {
            assert!(find(Tree::from_xml(text, &Limits::DEFAULT).unwrap_err().rule).is_some());
        }
    }
}
