//! Reading headers and replacing them.
//!
//! Names are compared as bytes and in any case: clients in other languages write `Traceparent`,
//! and read it. A name need not be UTF-8.

use std::{
    ffi::{CStr, CString},
    mem,
};

use otel_messaging_core::client::{Field, NotInjected};
use rdkafka::message::{Header, OwnedHeaders};

use crate::native::{self, HeaderList};

/// The C library gives consumers no header at all of a message that has more.
const MAX_HEADERS: usize = 100_000;

/// Each spelling of a name costs a walk over all headers, so that hostile headers could take
/// seconds.
const MAX_SPELLINGS: usize = 64;

/// The most that the protocol adds to a header: two numbers, for the lengths of name and value.
const HEADER_OVERHEAD: usize = 10;

impl<'a> HeaderList<'a> {
    /// Returns the last value of the header called `name`. If no header is spelled so, returns the
    /// last one in any other case. A null value is `None`.
    pub(crate) fn value(self, name: &str) -> Option<&'a [u8]> {
        let [value] = self.values([name]);
        value
    }

    /// Returns the values of several headers, each as [`value`](Self::value) does, in one walk over
    /// the headers.
    pub(crate) fn values<const N: usize>(self, names: [&str; N]) -> [Option<&'a [u8]>; N] {
        let mut values = [None; N];
        let mut lookups = [Lookup::default(); N];
        for (found, header) in (0..self.len()).rev().filter_map(|index| self.get(index)) {
            if lookups.iter().all(|lookup| lookup.is_found) {
                break;
            }
            for ((value, lookup), name) in values.iter_mut().zip(&mut lookups).zip(names) {
                if lookup.is_found {
                    continue;
                }
                if found.to_bytes() == name.as_bytes() {
                    // A name that looks the same may have a NUL byte and more. Looking at all
                    // headers for each of them could take seconds.
                    if !mem::replace(&mut lookup.is_looked_up, true)
                        && let Some(last) = self.last(found)
                    {
                        *value = last;
                        lookup.is_found = true;
                    }
                } else if !lookup.has_other_case && is_name(found, name) {
                    *value = header;
                    lookup.has_other_case = true;
                }
            }
        }
        values
    }

    /// Iterates over the names that are UTF-8.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> {
        self.iter().filter_map(|(name, _)| name.to_str().ok())
    }

    /// Returns the size of all names and values, in bytes.
    pub(crate) fn size(self) -> usize {
        self.iter().map(|(name, value)| size(name, value)).sum()
    }

    fn iter(self) -> impl Iterator<Item = (&'a CStr, Option<&'a [u8]>)> {
        (0..self.len()).map_while(move |index| self.get(index))
    }
}

/// What is known of a header that is looked for.
#[derive(Clone, Copy, Default)]
struct Lookup {
    /// The value is that of a header spelled so.
    is_found: bool,
    /// The C library was asked for a header spelled so.
    is_looked_up: bool,
    /// The value is that of a header in another case.
    has_other_case: bool,
}

fn is_name(found: &CStr, name: &str) -> bool {
    found.to_bytes().eq_ignore_ascii_case(name.as_bytes())
}

fn size(name: &CStr, value: Option<&[u8]>) -> usize {
    name.count_bytes() + value.map_or(0, <[u8]>::len)
}

/// A change of a record's headers that makes each field the only header of its name, or removes
/// the name.
pub(crate) struct Replacement<'a> {
    fields: &'a [Field<'a>],
    /// How the fields' names are spelled in the headers.
    spellings: Vec<Spelling>,
    /// The size of the headers that are there, and of the fields.
    size: usize,
}

/// A field's name as it is spelled in headers that are there.
struct Spelling {
    name: CString,
    /// Whether a header has exactly that name: it may go on after a NUL byte.
    is_there: bool,
    /// How many headers have it, with a NUL byte and more or without.
    count: usize,
}

impl<'a> Replacement<'a> {
    /// Plans the change. Nothing is changed yet.
    ///
    /// # Errors
    /// Returns [`NotInjected`] if the headers cannot hold the fields.
    pub(crate) fn plan(
        headers: Option<&OwnedHeaders>,
        fields: &'a [Field<'a>],
    ) -> Result<Self, NotInjected> {
        if fields.iter().any(|field| field.name.contains('\0')) {
            return Err(NotInjected::new("a field's name has a NUL byte"));
        }
        let mut plan = Self { fields, spellings: Vec::new(), size: 0 };
        let mut count = 0;
        for field in plan.added() {
            plan.size += field.name.len() + field.value.map_or(0, str::len) + HEADER_OVERHEAD;
            count += 1;
        }
        let Some(headers) = headers.map(HeaderList::of_owned) else { return Ok(plan) };
        for (name, value) in headers.iter() {
            plan.size += size(name, value) + HEADER_OVERHEAD;
            count += usize::from(!plan.removes(name, headers)?);
        }
        if plan.spellings.iter().any(|spelling| spelling.removes_others(headers)) {
            return Err(NotInjected::new("a header's name is a field's with a NUL byte and more"));
        }
        if count > MAX_HEADERS {
            return Err(NotInjected::new("there would be more headers than consumers read"));
        }
        Ok(plan)
    }

    /// Returns whether the headers of this name are removed.
    fn removes(&mut self, name: &CStr, headers: HeaderList<'_>) -> Result<bool, NotInjected> {
        if !self.fields.iter().any(|field| is_name(name, field.name)) {
            return Ok(false);
        }
        let known = self.spellings.iter_mut().find(|spelling| *spelling.name == *name);
        if let Some(spelling) = known {
            spelling.count += 1;
            return Ok(spelling.is_there);
        }
        if self.spellings.len() == MAX_SPELLINGS {
            return Err(NotInjected::new("a field's name is there in too many spellings"));
        }
        let is_there = headers.last(name).is_some();
        self.spellings.push(Spelling { name: name.to_owned(), is_there, count: 1 });
        Ok(is_there)
    }

    /// Returns the most bytes that all headers take in the record.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Changes the headers. All other headers stay as and where they are.
    pub(crate) fn apply(self, headers: &mut Option<OwnedHeaders>) {
        if let Some(headers) = headers {
            let stale = self.spellings.iter().filter(|spelling| spelling.is_there);
            stale.for_each(|spelling| native::remove(headers, &spelling.name));
        }
        for field in self.added() {
            let list = headers.take();
            let list = list.unwrap_or_else(|| OwnedHeaders::new_with_capacity(self.fields.len()));
            *headers = Some(list.insert(Header { key: field.name, value: field.value }));
        }
    }

    fn added(&self) -> impl Iterator<Item = &'a Field<'a>> + use<'a> {
        self.fields.iter().filter(|field| field.value.is_some())
    }
}

impl Spelling {
    /// Returns whether removing the name would remove headers whose names go on after it: the C
    /// library compares up to the NUL byte there.
    fn removes_others(&self, headers: HeaderList<'_>) -> bool {
        self.is_there && !headers.has(&self.name, self.count)
    }
}
