//! What an operation needs of its instrumenter until it ends.

use std::sync::Arc;

use crate::{options::settings::Settings, span::providers::Providers};

/// The options and the providers of one instrumenter.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) settings: Arc<Settings>,
    pub(crate) providers: Providers,
}
