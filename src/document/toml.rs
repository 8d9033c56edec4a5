//! TOML with places.

use super::{Entry, Kind, Node, Place, SyntaxError};
use ::toml::de::{DeTable, DeValue};

/// Reads a TOML document.
pub(super) fn read(text: &str) -> Result<Node, SyntaxError> {
    let root = DeTable::parse(text).map_err(|error| SyntaxError {
        place: error.span().map_or(Place::default(), |span| place_of(text, span.start)),
        text: error.message().to_owned(),
    })?;
    table(text, Place { line: 1, column: 1 }, root.get_ref())
}

fn place_of(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Place { line: narrow(line), column: narrow(column) }
}

fn table(text: &str, place: Place, table: &DeTable<'_>) -> Result<Node, SyntaxError> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, found) in table {
        entries.push(Entry {
            name: key.get_ref().to_string(),
            place: place_of(text, key.span().start),
            value: value(text, place_of(text, found.span().start), found.get_ref())?,
        });
    }
    Ok(Node::new(place, Kind::Table(entries)))
}

fn value(text: &str, place: Place, value: &DeValue<'_>) -> Result<Node, SyntaxError> {
    let out_of_range = || SyntaxError { place, text: "the number is out of range".to_owned() };
    let kind = match value {
        DeValue::String(value) => Kind::Text(value.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Integer(value) => Kind::Integer(
            i64::from_str_radix(&value.as_str().replace('_', ""), value.radix())
                .map_err(|_| out_of_range())?,
        ),
        DeValue::Float(value) => {
            Kind::Float(value.as_str().replace('_', "").parse().map_err(|_| out_of_range())?)
        }
        DeValue::Datetime(value) => Kind::Text(value.to_string()),
        DeValue::Array(items) => Kind::List(
            items
                .iter()
                .map(|item| self::value(text, place_of(text, item.span().start), item.get_ref()))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(inner) => return table(text, place, inner),
    };
    Ok(Node::new(place, kind))
}
