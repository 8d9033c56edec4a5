use super::*;

fn all(primitive: Primitive, good: &[&str], bad: &[&str]) {
    for text in good {
        assert_eq!(primitive.check(text), Ok(()), "{primitive:?} {text}");
    }
    for text in bad {
        assert!(primitive.check(text).is_err(), "{primitive:?} {text}");
    }
}

#[test]
fn numbers() {
    all(
        Primitive::Integer,
        &["0", "-1", "2147483647", "-2147483648"],
        &["", "01", "1.0", "2147483648", "--1", "a"],
    );
    all(Primitive::UnsignedInt, &["0", "5"], &["-1", "-0", "4294967296"]);
    all(Primitive::PositiveInt, &["1", "+7"], &["0", "-1"]);
    all(
        Primitive::Decimal,
        &["0", "-0.10", "1e5", "1.50E-3", "100"],
        &["", ".5", "1.", "01", "1e", "+1", "NaN"],
    );
    all(Primitive::Boolean, &["true", "false"], &["", "TRUE", "1"]);
}

#[test]
fn texts() {
    all(Primitive::String, &["a", " é\t"], &["\u{1}"]);
    all(Primitive::Code, &["a", "a b"], &[" a", "a ", "a  b", "a\u{a0}"]);
    all(Primitive::Id, &["a-b.C1"], &["", "a_b", "a b", &"x".repeat(65)]);
    all(
        Primitive::Uri,
        &["urn:a:b", "#x", "http://a/é", "Patient/1"],
        &["a b", "urn:oid:1", "urn:oid:3.1", "uuid:1"],
    );
    all(
        Primitive::Uuid,
        &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
        &[
            "urn:uuid:C757873D-ec9a-4326-a141-556f43239520",
            "c757873d-ec9a-4326-a141-556f43239520",
            "urn:uuid:1",
        ],
    );
    all(Primitive::Oid, &["urn:oid:2.16.840"], &["2.16.840", "urn:oid:2.016"]);
    all(Primitive::Base64Binary, &["", "YQ==", "YW Jj\nYWJj"], &["YQ=", "***", "YQ==YQ==", "Y"]);
}

#[test]
fn moments() {
    all(
        Primitive::Date,
        &["2024", "2024-02", "2024-02-29"],
        &["2023-02-29", "2024-13", "0000", "2024-2-1", "2024-01-01T", "1900-02-29"],
    );
    all(
        Primitive::DateTime,
        &["2024", "2024-02-29T23:59:60Z", "2024-01-01T00:00:00.123+14:00"],
        &[
            "2024-01-01T00:00:00",
            "2024-01-01T24:00:00Z",
            "2024-01T00:00:00Z",
            "2024-01-01T00:00Z",
            "2024-01-01T00:00:00+14:01",
        ],
    );
    all(
        Primitive::Instant,
        &["2015-02-07T13:28:17.239+02:00"],
        &["2015-02-07", "2015-02-07T13:28:17", "2015-02-07t13:28:17Z"],
    );
    all(Primitive::Time, &["12:00:00", "23:59:59.9"], &["24:00:00", "12:00", "12:00:00Z", "12:00:00."]);
}
