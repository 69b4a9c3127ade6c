//! What the client's safe API cannot do, through the C API that it exports: the one module with
//! `unsafe` code.
//!
//! Headers are never iterated through the safe API, which panics at a key that is not UTF-8.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_char},
    ptr, slice,
};

use otel_messaging_core::{Field, NotInjected};
use rdkafka::{
    ClientContext, Message, Timestamp,
    bindings::{self, rd_kafka_conf_res_t, rd_kafka_headers_t, rd_kafka_resp_err_t},
    client::Client,
    message::{BorrowedHeaders, BorrowedMessage, OwnedHeaders},
};

use crate::message;

const OK: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Consumers of the C library read no header at all of a message that has more.
const MAX_HEADERS: usize = 100_000;

/// A list of headers that outlives `'a`.
#[derive(Clone, Copy)]
pub(crate) struct HeaderList<'a> {
    list: *mut rd_kafka_headers_t,
    owner: std::marker::PhantomData<&'a ()>,
}

impl<'a> HeaderList<'a> {
    /// The headers of a message; `None` if it has none, or they cannot be parsed.
    pub(crate) fn of(message: &'a BorrowedMessage<'_>) -> Option<Self> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive for `'a`, and the list belongs to it. Parsing headers at
        // the first look is what the safe `BorrowedMessage::headers` does too.
        let result = unsafe { bindings::rd_kafka_message_headers(message.ptr(), &raw mut list) };
        (result == OK && !list.is_null()).then_some(Self { list, owner: std::marker::PhantomData })
    }

    /// The headers of a record, or of a message that was copied.
    pub(crate) fn of_owned(headers: &'a OwnedHeaders) -> Self {
        // A `BorrowedHeaders` is a name for the C list: its address is the list's. The client
        // relies on this in `OwnedHeaders::as_borrowed` itself; a test of ours would notice.
        let list = ptr::from_ref::<BorrowedHeaders>(headers.as_borrowed());
        Self { list: list.cast_mut().cast(), owner: std::marker::PhantomData }
    }

    /// The last value of the header `name`; `None` if there is none, or it is null.
    pub(crate) fn last(self, name: &str) -> Option<&'a [u8]> {
        with_c_name(name, |name| {
            let (mut value, mut size) = (ptr::null(), 0);
            // SAFETY: the list is alive for `'a`; `name` ends with NUL; the out-parameters are
            // ours.
            let result = unsafe {
                bindings::rd_kafka_header_get_last(
                    self.list,
                    name.as_ptr(),
                    &raw mut value,
                    &raw mut size,
                )
            };
            (result == OK && !value.is_null()).then(|| {
                // SAFETY: a value that is not null has `size` bytes, which live in the list.
                unsafe { slice::from_raw_parts(value.cast::<u8>(), size) }
            })
        })?
    }

    /// The names that are UTF-8.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> {
        self.iter().filter_map(|(name, _)| name.to_str().ok())
    }

    /// The size of all names and values, in bytes.
    pub(crate) fn size(self) -> usize {
        self.iter().map(|(name, value_size)| name.count_bytes() + value_size).sum()
    }

    /// Each name, and the size of its value.
    fn iter(self) -> impl Iterator<Item = (&'a CStr, usize)> {
        // SAFETY: the list is alive for `'a`.
        let count = unsafe { bindings::rd_kafka_header_cnt(self.list) };
        (0..count).map_while(move |index| {
            let (mut name, mut value, mut size): (*const c_char, _, usize) =
                (ptr::null(), ptr::null(), 0);
            // SAFETY: as above; the out-parameters are ours.
            let result = unsafe {
                bindings::rd_kafka_header_get_all(
                    self.list,
                    index,
                    &raw mut name,
                    &raw mut value,
                    &raw mut size,
                )
            };
            if result != OK || name.is_null() {
                return None;
            }
            // SAFETY: the C library ends every name with NUL; it lives in the list.
            Some((unsafe { CStr::from_ptr(name) }, size))
        })
    }
}

/// Makes each field the only value of its name, or removes the name. What was there stays as it
/// is and where it is; nothing changes if a field cannot be written.
pub(crate) fn replace(
    headers: &mut Option<OwnedHeaders>,
    fields: &[Field<'_>],
) -> Result<(), NotInjected> {
    let writable = |text: &str| !text.as_bytes().contains(&0);
    if !fields.iter().all(|field| writable(field.name)) {
        return Err(NotInjected::new("a field's name has a NUL byte"));
    }
    let added = fields.iter().filter(|field| field.value.is_some()).count();
    let list = match headers {
        Some(headers) => {
            let list = HeaderList::of_owned(headers).list;
            // SAFETY: the list is alive.
            if unsafe { bindings::rd_kafka_header_cnt(list) } + added > MAX_HEADERS {
                return Err(NotInjected::new("there would be more headers than consumers read"));
            }
            for field in fields {
                with_c_name(field.name, |name| {
                    // SAFETY: the list is alive and ours alone, as `headers` is borrowed mutably;
                    // `name` ends with NUL. That there is none of that name is no error to us.
                    unsafe { bindings::rd_kafka_header_remove(list, name.as_ptr()) }
                });
            }
            list
        }
        None if fields.iter().all(|field| field.value.is_none()) => return Ok(()),
        None => {
            HeaderList::of_owned(headers.insert(OwnedHeaders::new_with_capacity(fields.len()))).list
        }
    };
    for field in fields {
        let Some(value) = field.value else { continue };
        // SAFETY: the list is alive and ours alone; name and value are copied, with their sizes.
        // It cannot fail: only a list that belongs to a received message is read-only, and an
        // `OwnedHeaders` never is.
        let _ = unsafe {
            bindings::rd_kafka_header_add(
                list,
                field.name.as_ptr().cast(),
                field.name.len().cast_signed(),
                value.as_ptr().cast(),
                value.len().cast_signed(),
            )
        };
    }
    Ok(())
}

/// The value of a configuration property of a client, defaults included.
pub(crate) fn property<C: ClientContext>(client: &Client<C>, name: &CStr) -> Option<String> {
    let mut size = 0;
    let ok = rd_kafka_conf_res_t::RD_KAFKA_CONF_OK;
    // SAFETY: the client is alive, and so is its configuration; a null destination asks for the
    // size.
    let conf = unsafe { bindings::rd_kafka_conf(client.native_ptr()) };
    // SAFETY: as above.
    let result =
        unsafe { bindings::rd_kafka_conf_get(conf, name.as_ptr(), ptr::null_mut(), &raw mut size) };
    if result != ok {
        return None;
    }
    let mut value = vec![0_u8; size];
    // SAFETY: as above; the destination has the size that was asked for.
    let result = unsafe {
        let value = value.as_mut_ptr().cast();
        bindings::rd_kafka_conf_get(conf, name.as_ptr(), value, &raw mut size)
    };
    let value = CStr::from_bytes_until_nul(&value).ok()?.to_str().ok()?;
    (result == ok && !value.is_empty()).then(|| value.to_owned())
}

/// The name that the C library made for a client, such as `rdkafka#producer-1`.
pub(crate) fn client_name<C: ClientContext>(client: &Client<C>) -> Option<String> {
    // SAFETY: the client is alive; the name lives as long as it, and is copied here.
    let name = unsafe { bindings::rd_kafka_name(client.native_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: as above, and it ends with NUL.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().map(str::to_owned)
}

/// The cluster's id, if metadata that arrived already told it: this never waits.
pub(crate) fn cluster_id<C: ClientContext>(client: &Client<C>) -> Option<String> {
    // SAFETY: the client is alive. No time to wait means that only what is cached is looked at.
    let id = unsafe { bindings::rd_kafka_clusterid(client.native_ptr(), 0) };
    if id.is_null() {
        return None;
    }
    // SAFETY: the id ends with NUL, and is ours to free, which the safe API forgets to do.
    let text = unsafe { CStr::from_ptr(id) }.to_str().ok().map(str::to_owned);
    // SAFETY: as above; it is not used after.
    unsafe { bindings::rd_kafka_mem_free(client.native_ptr(), id.cast()) };
    text
}

fn with_c_name<T>(name: &str, f: impl FnOnce(&CStr) -> T) -> Option<T> {
    match name {
        "traceparent" => Some(f(c"traceparent")),
        "tracestate" => Some(f(c"tracestate")),
        "baggage" => Some(f(c"baggage")),
        _ => CString::new(name).ok().map(|name| f(&name)),
    }
}

/// Implements the client's trait for a type that holds the client's own message: here, because it
/// has an `unsafe` method.
macro_rules! delegate_message {
    ($message:ty, $headers:ty) => {
        impl Message for $message {
            type Headers = $headers;

            fn key(&self) -> Option<&[u8]> {
                self.get_ref().key()
            }

            fn payload(&self) -> Option<&[u8]> {
                self.get_ref().payload()
            }

            unsafe fn payload_mut(&mut self) -> Option<&mut [u8]> {
                // SAFETY: the caller promises what the client's method asks for.
                unsafe { self.get_mut().payload_mut() }
            }

            fn topic(&self) -> &str {
                self.get_ref().topic()
            }

            fn partition(&self) -> i32 {
                self.get_ref().partition()
            }

            fn offset(&self) -> i64 {
                self.get_ref().offset()
            }

            fn timestamp(&self) -> Timestamp {
                self.get_ref().timestamp()
            }

            fn headers(&self) -> Option<&$headers> {
                self.get_ref().headers()
            }
        }
    };
}

delegate_message!(message::BorrowedMessage<'_>, BorrowedHeaders);
delegate_message!(message::OwnedMessage, OwnedHeaders);
