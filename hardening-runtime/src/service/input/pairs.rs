//! Names with values, as queries, forms and paths have them, read by serde.

use std::collections::HashMap;

use serde::de::value::{Error, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor,
};
use serde_path_to_error::Track;

use super::super::words::{field, in_plain_terms};
use super::value::One;

/// The most pairs of a query or a form. A body of a megabyte has room for hundreds of thousands, each of which takes a hundred
/// times its bytes.
const MOST: usize = 1000;

/// What does not fit, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) place: String,
    pub(super) message: String,
}

/// Each name with all of its values, in the order in which names came first.
#[derive(Debug)]
pub(super) struct Pairs {
    pairs: Vec<(String, Vec<String>)>,
    /// Whether their order means something, as in a path.
    ordered: bool,
}

impl Pairs {
    /// Reads `a=1&b=2` by the rules of forms (WHATWG URL, section 5.1), but refuses what is no UTF-8, and more than [`MOST`] pairs.
    pub(super) fn of_form(text: &[u8]) -> Result<Self, Unfit> {
        let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (count, pair) in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == MOST {
                let message = format!("there are more than {MOST} fields");
                return Err(Unfit { place: String::new(), message });
            }
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decoded(parts.next().unwrap_or_default());
            let value = decoded(parts.next().unwrap_or_default());
            let (Ok(name), Ok(value)) = (&name, &value) else {
                let place = name.unwrap_or_default();
                return Err(Unfit { place, message: "this is not UTF-8".to_owned() });
            };
            let at = *places.entry(name.clone()).or_insert_with(|| {
                pairs.push((name.clone(), Vec::new()));
                pairs.len() - 1
            });
            pairs[at].1.push(value.clone());
        }
        Ok(Self { pairs, ordered: false })
    }

    /// The parts of a path.
    pub(super) fn of_path<'p>(parts: impl Iterator<Item = (&'p str, &'p str)>) -> Self {
        let pairs = parts.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect();
        Self { pairs, ordered: true }
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// Reads them into a type.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Unfit> {
        let names: Vec<String> =
            if self.ordered { self.names().map(str::to_owned).collect() } else { Vec::new() };
        let mut track = Track::new();
        T::deserialize(serde_path_to_error::Deserializer::new(self, &mut track)).map_err(|error| {
            let place = field(&track.path());
            let message = in_plain_terms(&error.to_string());
            Unfit { place: of_path(place, &names), message }
        })
    }

    fn alone(mut self) -> Result<One, Self> {
        match self.pairs.as_mut_slice() {
            [(_, values)] if self.ordered && values.len() == 1 => Ok(One(values.remove(0))),
            _ => Err(self),
        }
    }
}

/// The name of a part of a path that was asked for by its place.
fn of_path(place: String, names: &[String]) -> String {
    let at = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.parse::<usize>().ok());
    let name = match (names, at) {
        (names, Some(at)) => names.get(at),
        ([only], None) if place.is_empty() => Some(only),
        _ => None,
    };
    name.cloned().unwrap_or(place)
}

/// `+` and `%20` are spaces; a `%` without two digits stands for itself.
fn decoded(text: &[u8]) -> Result<String, ()> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        bytes.push(match (byte, digit(at), digit(at + 1)) {
            (b'+', ..) => b' ',
            (b'%', Some(high), Some(low)) => {
                at += 2;
                // Two digits are a byte.
                (high * 16 + low) as u8
            }
            _ => *byte,
        });
    }
    String::from_utf8(bytes).map_err(drop)
}

macro_rules! alone {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.alone() {
                Ok(one) => one.$method(visitor),
                Err(pairs) => pairs.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Pairs {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries { pairs: self.pairs.into_iter(), value: None })
    }

    alone! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.ordered {
            return self.deserialize_any(visitor);
        }
        let values = self.pairs.into_iter().map(|(_, values)| Values(values));
        let mut values = SeqDeserializer::new(values);
        let read = visitor.visit_seq(&mut values)?;
        values.end()?;
        Ok(read)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.alone() {
            Ok(one) => one.deserialize_enum(name, variants, visitor),
            Err(pairs) => pairs.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! { map struct identifier ignored_any }
}

/// The pairs, one after the other.
struct Entries {
    pairs: std::vec::IntoIter<(String, Vec<String>)>,
    value: Option<Vec<String>>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, values)) = self.pairs.next() else { return Ok(None) };
        self.value = Some(values);
        let name: StringDeserializer<Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Values(self.value.take().unwrap_or_default()))
    }
}

/// All values of one name.
struct Values(Vec<String>);

impl Values {
    fn one(mut self) -> Result<One, Error> {
        match self.0.len() {
            1 => Ok(One(self.0.remove(0))),
            _ => Err(Error::custom("this stands more than once")),
        }
    }
}

impl IntoDeserializer<'_, Error> for Values {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! of_one {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.one()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Values {
    type Error = Error;

    of_one! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_unit deserialize_map deserialize_identifier
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut values = SeqDeserializer::new(self.0.into_iter().map(One));
        let read = visitor.visit_seq(&mut values)?;
        values.end()?;
        Ok(read)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.one()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
#[path = "pairs/tests.rs"]
mod tests;
