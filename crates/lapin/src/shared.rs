//! What the channels of a connection have in common.

use lapin::Configuration;
use otel_messaging_core::{Instrumentation, Instrumenter};

use crate::{
    destination::Queues,
    server::{self, Server},
};

/// The smallest size of a frame, in bytes, that both sides of any connection accept.
const MIN_FRAME_SIZE: u32 = 4096;

/// What the channels of a connection share.
pub(crate) struct Shared {
    pub(crate) instrumenter: Instrumenter,
    /// `None` if only a channel of the connection is at hand.
    configuration: Option<Configuration>,
    pub(crate) queues: Queues,
}

impl Shared {
    pub(crate) fn new(
        configuration: Option<&Configuration>,
        server: Option<&Server>,
        instrumentation: &Instrumentation,
    ) -> Self {
        Self {
            instrumenter: server::instrumenter(server, instrumentation),
            configuration: configuration.cloned(),
            queues: Queues::default(),
        }
    }

    /// Returns how large a frame may be, in bytes. It may change when the client reconnects.
    pub(crate) fn frame_max(&self) -> usize {
        self.configuration.as_ref().map_or(MIN_FRAME_SIZE, Configuration::frame_max) as usize
    }
}
