//! Reads a value through serde and notes what its type asks for: the names and order of a struct's
//! fields, the variants of an enum, the type of every part. The struct itself is the only source.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use rmpv::Value;
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};

use crate::shapes::Shapes;

/// Where a part of a value is: keys of maps, and positions in lists as numbers.
pub(crate) type Path = Vec<String>;

/// Reads `value` as a `T` and notes every shape on the way; returns where each struct was met.
pub(crate) fn trace<T: DeserializeOwned>(value: &Value, shapes: &mut Shapes) -> Vec<(Path, String)> {
    let notes = Notes { shapes: RefCell::new(std::mem::take(shapes)), structs: RefCell::default() };
    let part = Part { value, path: Vec::new(), found: &RefCell::default(), notes: &notes };
    T::deserialize(part).expect("a sample can be read");
    *shapes = notes.shapes.into_inner();
    notes.structs.into_inner()
}

struct Notes {
    shapes: RefCell<Shapes>,
    structs: RefCell<Vec<(Path, String)>>,
}

/// One part of the value, and the slot where the name of its type goes.
struct Part<'de, 'n, 'f> {
    value: &'de Value,
    path: Path,
    found: &'f RefCell<String>,
    notes: &'n Notes,
}

/// Reading failed: the value is not what the type asks for.
#[derive(Debug)]
struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de, 'n> Part<'de, 'n, '_> {
    fn is(&self, name: &str) {
        name.clone_into(&mut self.found.borrow_mut());
    }

    fn part<'f>(&self, value: &'de Value, step: &str, found: &'f RefCell<String>) -> Part<'de, 'n, 'f> {
        let mut path = self.path.clone();
        path.push(step.to_owned());
        Part { value, path, found, notes: self.notes }
    }

    fn entries(&self) -> Result<&'de [(Value, Value)], Error> {
        self.value.as_map().map(Vec::as_slice).ok_or_else(|| Error(format!("{} is not a map", self.value)))
    }

    fn items(&self) -> Result<&'de [Value], Error> {
        self.value.as_array().map(Vec::as_slice).ok_or_else(|| Error(format!("{} is not a list", self.value)))
    }
}

macro_rules! integers {
    ($($method:ident $name:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.is($name);
            match (self.value.as_u64(), self.value.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => Err(Error(format!("{} is not an integer", self.value))),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Part<'de, '_, '_> {
    type Error = Error;

    integers! {
        deserialize_u8 "u8" deserialize_u16 "u16" deserialize_u32 "u32" deserialize_u64 "u64"
        deserialize_i8 "i8" deserialize_i16 "i16" deserialize_i32 "i32" deserialize_i64 "i64"
    }

    // Types that nothing in the log may have: floats above all.
    forward_to_deserialize_any! { f32 f64 char i128 u128 bool unit unit_struct tuple_struct ignored_any }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error(format!("the log may not hold a value such as {}, or one of any type", self.value)))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("text");
        visitor.visit_str(self.value.as_str().ok_or_else(|| Error(format!("{} is not text", self.value)))?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("bytes");
        match self.value {
            Value::Binary(bytes) => visitor.visit_bytes(bytes),
            other => Err(Error(format!("{other} is not bytes"))),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let found = RefCell::new("?".to_owned());
        let value = match self.value {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(Part { found: &found, path: self.path.clone(), ..self }),
        };
        self.is(&format!("option of {}", found.borrow()));
        value
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let found = RefCell::new("?".to_owned());
        let items = self.items()?.iter().enumerate().map(|(at, item)| self.part(item, &at.to_string(), &found));
        let value = visitor.visit_seq(Items(items.collect::<Vec<_>>().into_iter()));
        self.is(&format!("list of {}", found.borrow()));
        value
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let items = self.items()?;
        let found = vec![RefCell::new(String::new()); items.len()];
        let parts =
            items.iter().zip(&found).enumerate().map(|(at, (item, slot))| self.part(item, &at.to_string(), slot));
        let value = visitor.visit_seq(Items(parts.collect::<Vec<_>>().into_iter()));
        let names: Vec<String> = found.iter().map(|slot| slot.borrow().clone()).collect();
        self.is(&format!("({})", names.join(", ")));
        value
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (key_found, found) = (RefCell::new("?".to_owned()), RefCell::new("?".to_owned()));
        let parts = self.entries()?.iter().map(|(key, value)| {
            let step = key.as_str().unwrap_or("?");
            (self.part(key, step, &key_found), self.part(value, step, &found))
        });
        let value = visitor.visit_map(Entries { left: parts.collect::<Vec<_>>().into_iter(), next: None });
        self.is(&format!("map of {} to {}", key_found.borrow(), found.borrow()));
        value
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.is(name);
        read_fields(&self, &format!("struct {name}"), fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.is(name);
        self.notes.shapes.borrow_mut().meet_enum(name, variants);
        visitor.visit_enum(Variant { name, part: self })
    }
}

/// Reads a struct, or the named fields of an enum's variant, and notes the type of each field.
fn read_fields<'de, V: Visitor<'de>>(
    part: &Part<'de, '_, '_>,
    owner: &str,
    fields: &'static [&'static str],
    visitor: V,
) -> Result<V::Value, Error> {
    part.notes.structs.borrow_mut().push((part.path.clone(), owner.to_owned()));
    let entries = part.entries()?;
    let found = vec![RefCell::new(String::new()); entries.len()];
    let key_found = RefCell::default();
    let parts = entries.iter().zip(&found).map(|((key, value), slot)| {
        let step = key.as_str().unwrap_or("?");
        (part.part(key, step, &key_found), part.part(value, step, slot))
    });
    let value = visitor.visit_map(Entries { left: parts.collect::<Vec<_>>().into_iter(), next: None })?;
    let mut shapes = part.notes.shapes.borrow_mut();
    shapes.meet_struct(owner, fields);
    for ((key, _), slot) in entries.iter().zip(&found) {
        shapes.meet_field(owner, key.as_str().unwrap_or("?"), &slot.borrow());
    }
    let present: BTreeSet<&str> = entries.iter().filter_map(|(key, _)| key.as_str()).collect();
    fields.iter().filter(|field| !present.contains(**field)).for_each(|field| shapes.meet_absence(owner, field));
    Ok(value)
}

struct Items<I>(I);

impl<'de, 'n: 'f, 'f, I: Iterator<Item = Part<'de, 'n, 'f>>> de::SeqAccess<'de> for Items<I> {
    type Error = Error;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|part| seed.deserialize(part)).transpose()
    }
}

struct Entries<I, P> {
    left: I,
    next: Option<P>,
}

impl<'de, 'n: 'f, 'f, I> de::MapAccess<'de> for Entries<I, Part<'de, 'n, 'f>>
where
    I: Iterator<Item = (Part<'de, 'n, 'f>, Part<'de, 'n, 'f>)>,
{
    type Error = Error;
    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.next = Some(value);
        seed.deserialize(key).map(Some)
    }
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.next.take().expect("a key comes before its value"))
    }
}

/// A variant is a text, or a map of one entry: its name and its content.
struct Variant<'de, 'n, 'f> {
    name: &'static str,
    part: Part<'de, 'n, 'f>,
}

/// The content of a variant.
struct Content<'de, 'n, 'f> {
    owner: String,
    variant: String,
    name: &'static str,
    held: Option<&'de Value>,
    whole: Part<'de, 'n, 'f>,
}

impl<'de, 'n, 'f> de::EnumAccess<'de> for Variant<'de, 'n, 'f> {
    type Error = Error;
    type Variant = Content<'de, 'n, 'f>;

    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Error> {
        let (variant, content) = match self.part.value {
            Value::Map(entries) if entries.len() == 1 => (entries[0].0.as_str(), Some(&entries[0].1)),
            other => (other.as_str(), None),
        };
        let variant = variant.ok_or_else(|| Error(format!("{} is no variant of {}", self.part.value, self.name)))?;
        let known = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(variant))?;
        let owner = format!("variant {}.{variant}", self.name);
        Ok((known, Content { owner, variant: variant.to_owned(), name: self.name, held: content, whole: self.part }))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'de, '_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.held {
            None => Ok(()),
            Some(_) => Err(Error(format!("{} holds nothing", self.owner))),
        }
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let found = RefCell::default();
        let value = self.held.ok_or_else(|| Error(format!("{} holds something", self.owner)))?;
        let read = seed.deserialize(self.whole.part(value, &self.variant, &found))?;
        self.whole.notes.shapes.borrow_mut().meet_variant(self.name, &self.variant, &found.borrow());
        Ok(read)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error(format!("{} holds values without names", self.owner)))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let found = RefCell::default();
        let value = self.held.ok_or_else(|| Error(format!("{} holds something", self.owner)))?;
        let part = self.whole.part(value, &self.variant, &found);
        read_fields(&part, &self.owner, fields, visitor)
    }
}
