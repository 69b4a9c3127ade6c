//! What the client's safe API cannot do, through the C API that it exports. This is the one module
//! with `unsafe` code.
//!
//! Headers are never iterated through the safe API, which panics at a key that is not UTF-8.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_void},
    fmt,
    marker::PhantomData,
    ptr, slice,
    sync::{Arc, OnceLock, atomic::AtomicPtr},
};

use otel_messaging_core::{ActiveOperation, Instrumenter};
use rdkafka::{
    ClientContext, Message, Timestamp,
    bindings::{self, rd_kafka_conf_res_t, rd_kafka_headers_t, rd_kafka_resp_err_t},
    client::Client,
    message::{BorrowedHeaders, BorrowedMessage, OwnedHeaders},
    util::IntoOpaque,
};

use crate::message;

const OK: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The list of headers of a message or record, which outlives `'a`.
#[derive(Clone, Copy)]
pub(crate) struct HeaderList<'a> {
    list: *mut rd_kafka_headers_t,
    owner: PhantomData<&'a ()>,
}

impl<'a> HeaderList<'a> {
    /// Returns the headers of a message; `None` if it has none, or they cannot be parsed.
    pub(crate) fn of(message: &'a BorrowedMessage<'_>) -> Option<Self> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive for `'a`, and the list belongs to it. Parsing headers at
        // the first look is what the safe `BorrowedMessage::headers` does too.
        let result = unsafe { bindings::rd_kafka_message_headers(message.ptr(), &raw mut list) };
        (result == OK && !list.is_null()).then_some(Self { list, owner: PhantomData })
    }

    /// Returns the headers of a record, or of a message that was copied.
    pub(crate) fn of_owned(headers: &'a OwnedHeaders) -> Self {
        // A `BorrowedHeaders` is a name for the C list: its address is the list's. The client
        // relies on this in `OwnedHeaders::as_borrowed` itself; a test of ours would notice.
        let list = ptr::from_ref::<BorrowedHeaders>(headers.as_borrowed());
        Self { list: list.cast_mut().cast(), owner: PhantomData }
    }

    /// Returns how many headers there are.
    pub(crate) fn len(self) -> usize {
        // SAFETY: the list is alive for `'a`.
        unsafe { bindings::rd_kafka_header_cnt(self.list) }
    }

    /// Returns the last value of the header that is spelled exactly so; `None` if there is none,
    /// and `Some(None)` if the value is null.
    #[expect(clippy::option_option, reason = "a header without a value is a header")]
    pub(crate) fn last(self, name: &CStr) -> Option<Option<&'a [u8]>> {
        let (mut value, mut size) = (ptr::null(), 0);
        // SAFETY: the list is alive for `'a`; `name` ends with NUL; the out-parameters are ours.
        let result = unsafe {
            bindings::rd_kafka_header_get_last(
                self.list,
                name.as_ptr(),
                &raw mut value,
                &raw mut size,
            )
        };
        // SAFETY: the value has `size` bytes, which live in the list.
        (result == OK).then(|| unsafe { bytes(value, size) })
    }

    /// Returns whether `count` headers, at least one, have exactly this name.
    pub(crate) fn has(self, name: &CStr, count: usize) -> bool {
        let (mut value, mut size) = (ptr::null(), 0);
        // SAFETY: as for `last`.
        let result = unsafe {
            bindings::rd_kafka_header_get(
                self.list,
                count.saturating_sub(1),
                name.as_ptr(),
                &raw mut value,
                &raw mut size,
            )
        };
        result == OK
    }

    /// Returns the name and the value of the header at `index`. The name ends at its first NUL
    /// byte.
    pub(crate) fn get(self, index: usize) -> Option<(&'a CStr, Option<&'a [u8]>)> {
        let (mut name, mut value, mut size): (*const c_char, _, usize) =
            (ptr::null(), ptr::null(), 0);
        // SAFETY: the list is alive for `'a`; the out-parameters are ours.
        let result = unsafe {
            bindings::rd_kafka_header_get_all(
                self.list,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            )
        };
        // SAFETY: the C library ends every name with NUL. The name lives in the list, and so do the
        // value's `size` bytes.
        (result == OK && !name.is_null())
            .then(|| unsafe { (CStr::from_ptr(name), bytes(value, size)) })
    }
}

/// Returns a value; a null pointer is a null value.
///
/// # Safety
/// If `value` is not null, it points to `size` bytes that live for `'a`.
const unsafe fn bytes<'a>(value: *const c_void, size: usize) -> Option<&'a [u8]> {
    if value.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    Some(unsafe { slice::from_raw_parts(value.cast::<u8>(), size) })
}

/// Removes all headers of this name, also those whose names go on after it with a NUL byte.
pub(crate) fn remove(headers: &mut OwnedHeaders, name: &CStr) {
    let list = HeaderList::of_owned(headers).list;
    // SAFETY: the list is alive and ours alone, as `headers` is borrowed mutably; `name` ends with
    // NUL. It fails if there is no header of that name, which is no error here.
    unsafe { bindings::rd_kafka_header_remove(list, name.as_ptr()) };
}

/// Returns the value of a configuration property of a client, defaults included.
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

/// Returns a producer's `message.max.bytes`.
pub(crate) fn max_message_size<C: ClientContext>(client: &Client<C>) -> usize {
    let limit = property(client, c"message.max.bytes");
    limit.and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX)
}

/// Returns the name that the C library made for a client, such as `rdkafka#producer-1`.
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

/// Returns the cluster's id, if metadata that arrived before told it. This never waits.
pub(crate) fn cluster_id<C: ClientContext>(client: &Client<C>) -> Option<String> {
    // SAFETY: the client is alive. Without time to wait, only what is cached is looked at.
    let id = unsafe { bindings::rd_kafka_clusterid(client.native_ptr(), 0) };
    if id.is_null() {
        return None;
    }
    // SAFETY: the id ends with NUL, and is ours to free.
    let text = unsafe { CStr::from_ptr(id) }.to_str().ok().map(str::to_owned);
    // SAFETY: as above; it is not used after.
    unsafe { bindings::rd_kafka_mem_free(client.native_ptr(), id.cast()) };
    text
}

/// Makes and opens the opaques of one producer's records.
///
/// With tracking, what goes through the client is one of these:
/// - a null pointer, if the application's opaque is one and no operation runs;
/// - the operation itself, packed into the pointer's bits, of which the lowest one is set, if the
///   application's opaque is a null pointer;
/// - a box of the application's opaque and the operation.
#[derive(Clone, Debug)]
pub(crate) struct Opaques {
    is_tracking: bool,
    /// Packs the operations. It is set once, as what is packed can only be unpacked by the same.
    instrumenter: Arc<OnceLock<Instrumenter>>,
}

impl Opaques {
    /// Chooses what goes through the client: the operation with the application's opaque, or that
    /// opaque alone.
    pub(crate) fn new(is_tracking: bool) -> Self {
        Self { is_tracking, instrumenter: Arc::default() }
    }

    /// Sets the instrumenter whose operations are packed. Those of any other are boxed.
    pub(crate) fn pack_by(&self, instrumenter: &Instrumenter) {
        let _ = self.instrumenter.set(instrumenter.clone());
    }

    /// Returns whether operations go through the client.
    pub(crate) const fn is_tracking(&self) -> bool {
        self.is_tracking
    }

    /// Makes the opaque of a record.
    pub(crate) fn make<D: IntoOpaque>(&self, opaque: D, operation: ActiveOperation) -> Tracked<D> {
        if !self.is_tracking {
            return Tracked::alone(opaque);
        }
        let pointer = opaque.into_ptr();
        let mut unpacked = operation;
        if pointer.is_null() {
            if !unpacked.is_running() {
                return Tracked(InTransit::Raw(pointer.into()));
            }
            match self.pack(unpacked) {
                Ok(packed) => return Tracked(InTransit::Raw(packed.into())),
                Err(operation) => unpacked = operation,
            }
        }
        // SAFETY: the pointer was just made of the opaque, and is not used after.
        let opaque = unsafe { D::from_ptr(pointer) };
        Tracked(InTransit::Tracked(Box::new((opaque, unpacked))))
    }

    /// Packs an operation into the bits of a pointer that points nowhere.
    fn pack(&self, operation: ActiveOperation) -> Result<*mut c_void, ActiveOperation> {
        let Some(instrumenter) = self.instrumenter.get() else { return Err(operation) };
        let packed = instrumenter.pack(operation)?;
        // A pointer of 32 bits has no room.
        let address = usize::try_from(packed << 1 | 1).map_err(|_| instrumenter.unpack(packed))?;
        Ok(ptr::without_provenance_mut(address))
    }

    /// Returns the operation that is in the bits of a pointer, if that is no address of a box.
    fn unpack(&self, pointer: *mut c_void) -> Option<ActiveOperation> {
        let address = pointer.addr() as u64;
        if address & 1 == 0 {
            return None;
        }
        self.instrumenter.get().map(|instrumenter| instrumenter.unpack(address >> 1))
    }

    /// Returns the application's opaque and the operation, if there is one, of a record of the same
    /// producer.
    pub(crate) fn open<D>(&self, tracked: Tracked<D>) -> (D, Option<ActiveOperation>)
    where
        D: IntoOpaque,
    {
        let pointer = match tracked.0 {
            InTransit::Alone(opaque) => return (opaque, None),
            InTransit::Tracked(tracked) => {
                let (opaque, operation) = *tracked;
                return (opaque, Some(operation));
            }
            InTransit::Raw(pointer) => pointer.into_inner(),
        };
        if !self.is_tracking || pointer.is_null() {
            // SAFETY: the client gives each pointer back once, to the producer that made it, whose
            // choice never changes. So it was made of an opaque alone.
            return (unsafe { D::from_ptr(pointer) }, None);
        }
        if let Some(operation) = self.unpack(pointer) {
            // SAFETY: an operation is packed where the opaque was a null pointer.
            return (unsafe { D::from_ptr(ptr::null_mut()) }, Some(operation));
        }
        // SAFETY: as above, and it was made of a box. Its address is even, as an operation
        // holds pointers.
        let (opaque, operation) = unsafe { *Box::from_raw(pointer.cast()) };
        (opaque, Some(operation))
    }
}

/// What goes through the client with a record of a [`BaseProducer`](crate::producer::BaseProducer)
/// or [`ThreadedProducer`](crate::producer::ThreadedProducer): the application's opaque, and the
/// operation that the delivery report ends.
pub struct Tracked<D>(InTransit<D>);

enum InTransit<D> {
    Alone(D),
    Tracked(Box<(D, ActiveOperation)>),
    /// Came back from the C library. Which of the two it is, the producer knows. It is atomic
    /// because other pointers are not `Send`.
    Raw(AtomicPtr<c_void>),
}

impl<D> Tracked<D> {
    /// Makes the opaque of a record of a producer that tracks no operations.
    pub(crate) const fn alone(opaque: D) -> Self {
        Self(InTransit::Alone(opaque))
    }
}

impl<D: IntoOpaque> IntoOpaque for Tracked<D> {
    fn into_ptr(self) -> *mut c_void {
        match self.0 {
            InTransit::Alone(opaque) => opaque.into_ptr(),
            InTransit::Tracked(tracked) => Box::into_raw(tracked).cast(),
            InTransit::Raw(pointer) => pointer.into_inner(),
        }
    }

    unsafe fn from_ptr(pointer: *mut c_void) -> Self {
        Self(InTransit::Raw(pointer.into()))
    }
}

impl<D> fmt::Debug for Tracked<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}

/// Implements the client's trait `Message`, which has an `unsafe` method, for a type that holds the
/// client's own message.
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
