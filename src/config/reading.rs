//! From a settings tree to settings structs, with errors that say where, what, and which name was probably meant.

use crate::document::{Entry, Kind, Node, Place, SyntaxError, unknown_name};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;

/// What is wrong with one value of a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Where it stands.
    pub place: Place,
    /// The dotted path of the value, such as `http.listen`.
    pub path: String,
    /// What is wrong, with the nearest known name for an unknown one.
    pub text: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.place.line, self.place.column)?;
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for ReadError {}

impl From<SyntaxError> for ReadError {
    fn from(error: SyntaxError) -> ReadError {
        ReadError { place: error.place, path: String::new(), text: error.text }
    }
}

impl ReadError {
    fn inside(mut self, step: &str, place: Place) -> ReadError {
        if self.place == Place::default() {
            self.place = place;
        }
        self.path = match (self.path.is_empty(), self.path.starts_with('[')) {
            (true, _) => step.to_owned(),
            (false, true) => format!("{step}{}", self.path),
            (false, false) => format!("{step}.{}", self.path),
        };
        self
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(text: T) -> ReadError {
        ReadError { place: Place::default(), path: String::new(), text: text.to_string() }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError::custom(unknown_name("setting", field, expected))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError::custom(unknown_name("value", variant, expected))
    }

    fn missing_field(field: &'static str) -> ReadError {
        ReadError::custom(format!("the setting `{field}` is missing"))
    }
}

/// Reads a whole tree as settings.
pub fn read<T: DeserializeOwned>(node: &Node) -> Result<T, ReadError> {
    T::deserialize(node)
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Integer(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(value) => visitor.visit_borrowed_str(value),
            Kind::List(items) => visitor.visit_seq(Items { items, index: 0 }),
            Kind::Table(entries) => visitor.visit_map(Entries { entries, index: 0 }),
        };
        result.map_err(|mut error| {
            if error.place == Place::default() {
                error.place = self.place;
            }
            error
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let result = match &self.kind {
            Kind::Text(name) => visitor.visit_enum(Choice { name, content: None }),
            Kind::Table(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Choice { name: &entry.name, content: Some(&entry.value) }),
                _ => Err(de::Error::custom("exactly one name is expected here")),
            },
            _ => Err(de::Error::custom("a name is expected here")),
        };
        result.map_err(|mut error: ReadError| {
            if error.place == Place::default() {
                error.place = self.place;
            }
            error
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de> {
    items: &'de [Node],
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(item) = self.items.get(self.index) else { return Ok(None) };
        let step = format!("[{}]", self.index);
        self.index += 1;
        seed.deserialize(item).map(Some).map_err(|error| error.inside(&step, item.place))
    }
}

struct Entries<'de> {
    entries: &'de [Entry],
    index: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.get(self.index) else { return Ok(None) };
        let key: StrDeserializer<'de, ReadError> = entry.name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mut error: ReadError| {
            error.place = entry.place;
            error
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.entries.get(self.index) else {
            return Err(de::Error::custom("a value is missing"));
        };
        self.index += 1;
        seed.deserialize(&entry.value).map_err(|error| error.inside(&entry.name, entry.place))
    }
}

struct Choice<'de> {
    name: &'de str,
    content: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = ReadError;
    type Variant = Choice<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), ReadError> {
        let name: StrDeserializer<'de, ReadError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format!("`{}` takes no value", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        match self.content {
            Some(content) => seed.deserialize(content),
            None => Err(de::Error::custom(format!("`{}` needs a value", self.name))),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.newtype_variant_seed(std::marker::PhantomData::<()>)?;
        visitor.visit_unit()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.content {
            Some(content) => de::Deserializer::deserialize_any(content, visitor),
            None => Err(de::Error::custom(format!("`{}` needs a value", self.name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, Default, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct House {
        doors: u8,
        colour: Option<String>,
        rooms: Vec<Room>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Room {
        name: String,
        use_: Option<Use>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Use {
        Kitchen,
        BedRoom,
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_place_and_the_nearest_name() {
        let node = Node::from_toml("doors = 2\ncolor = \"red\"\n").unwrap();
        let error = read::<House>(&node).unwrap_err();
        assert_eq!(error.to_string(), "2:1: unknown setting `color`; did you mean `colour`?");
        let node = Node::from_yaml("rooms:\n- name: a\n- name: b\n  usee: kitchen\n").unwrap();
        let error = read::<House>(&node).unwrap_err();
        assert_eq!(error.to_string(), "4:3: `rooms[1]`: unknown setting `usee`; did you mean `use_`?");
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_path() {
        let node = Node::from_toml("doors = 300").unwrap();
        assert!(read::<House>(&node).unwrap_err().to_string().starts_with("1:9: `doors`: invalid value"));
        let node = Node::from_toml("[[rooms]]\nname = \"x\"\nuse_ = \"bedroom\"").unwrap();
        let error = read::<House>(&node).unwrap_err().to_string();
        assert_eq!(error, "3:8: `rooms[0].use_`: unknown value `bedroom`; did you mean `bed-room`?");
        let node = Node::from_toml("[[rooms]]\n").unwrap();
        let error = read::<House>(&node).unwrap_err().to_string();
        assert!(error.ends_with("`rooms[0]`: the setting `name` is missing"), "{error}");
    }

    #[test]
    fn values_and_places_are_kept() {
        let node = Node::from_toml("doors = 1_0\n[[rooms]]\nname = \"hall\"\nuse_ = \"kitchen\"").unwrap();
        let house: House = read(&node).unwrap();
        assert_eq!(house.doors, 10);
        assert_eq!(house.rooms[0].use_, Some(Use::Kitchen));
        assert_eq!(node.place_at("/rooms/0/name"), Place { line: 3, column: 8 });
        let node = Node::from_yaml("a:\n  b: [1, 2.5, true, null, x]\n").unwrap();
        assert_eq!(node.to_json(), serde_json::json!({"a": {"b": [1, 2.5, true, null, "x"]}}));
        assert_eq!(node.place_of_key("/a", "b"), Some(Place { line: 2, column: 3 }));
    }
}
