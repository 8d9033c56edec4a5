//! HTTP and MLLP: FHIR REST and operations, submissions, credentials.
