//! A client that is not ours: the `fhir-sdk` client reads and writes through the gateway's FHIR interface.

use crate::gateway::{TestGateway, key_of};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::{self, Next};
use fhir_sdk::client::{Client, RequestSettings};
use fhir_sdk::r4b::codes::FlagStatus;
use fhir_sdk::r4b::resources::Flag;
use fhir_sdk::r4b::types::{
    CodeableConcept, Coding, Extension, ExtensionValue, Identifier, Period, Reference,
};
use fhir_sdk::version::FhirR4B;
use sgw::fhir::systems;

/// The client knows R4B, whose Flag has R4's fields, and says so in its media types; the gateway rightly takes only R4.
async fn as_r4(mut request: Request, next: Next) -> axum::response::Response {
    for name in [ACCEPT, CONTENT_TYPE] {
        if let Some(value) = request.headers_mut().get_mut(&name) {
            *value = HeaderValue::from_static("application/fhir+json; fhirVersion=4.0");
        }
    }
    next.run(request).await
}

fn coding(code_system: &str, code: &str) -> Coding {
    let system = systems::canonical(&format!("CodeSystem/{code_system}"));
    Coding::builder().system(system).code(code.to_owned()).build().unwrap()
}

fn alert() -> Flag {
    let concern =
        CodeableConcept::builder().coding(vec![Some(coding("concern-category", "child-protection"))]);
    let patient = Identifier::builder().system(systems::NHS_NUMBER.to_owned()).value("9000000009".to_owned());
    let fact = Identifier::builder().system("https://scr.example/alert".to_owned()).value("A-1".to_owned());
    let basis = Extension::builder()
        .url(systems::canonical("StructureDefinition/lawful-basis"))
        .value(ExtensionValue::Coding(coding("lawful-basis", "ca2004-s10")));
    Flag::builder()
        .extension(vec![basis.build().unwrap()])
        .identifier(vec![Some(fact.build().unwrap())])
        .status(FlagStatus::Active)
        .category(vec![Some(concern.build().unwrap())])
        .code(CodeableConcept::builder().text("Subject to a plan".to_owned()).build().unwrap())
        .subject(Reference::builder().identifier(patient.build().unwrap()).build().unwrap())
        .period(Period::builder().start("2026-03-01".parse().unwrap()).build().unwrap())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_typed_client_creates_a_flag_and_reads_back_what_it_wrote() {
    let gateway = TestGateway::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir/", listener.local_addr().unwrap());
    let router = gateway.router.clone().layer(middleware::from_fn(as_r4));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let key = HeaderValue::from_str(&format!("Bearer {}", key_of("scr"))).unwrap();
    let settings = RequestSettings::default().header(AUTHORIZATION, key);
    let client: Client<FhirR4B> =
        Client::builder().base_url(base.parse().unwrap()).request_settings(settings).build().unwrap();
    let (id, version) = client.create(&alert()).await.unwrap();
    assert_eq!(version.as_deref(), Some("1"));
    let read: Flag = client.read(&id).await.unwrap().expect("the Flag is there");
    assert_eq!(read.status, FlagStatus::Active);
    assert_eq!(read.code.text.as_deref(), Some("Subject to a plan"));
    let first: Flag = client.read_version(&id, "1").await.unwrap().expect("its first version is there");
    assert_eq!(first.identifier, read.identifier);
    server.abort();
}
