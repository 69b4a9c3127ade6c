//! Defines what is measured: the bare client, our instrumentation, and code written by hand.

use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_messaging_benches::providers::{
    RAISED_LINK_LIMIT, Sampling, meter_provider, tracer_provider,
};
use otel_messaging_core::{Instrumentation, SendSpanEnd};
use serde::{Deserialize, Serialize};

use crate::by_hand::{ByHand, Careful, Sdk, Tutorial};

/// A way to run a scenario. The names are those of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// The client, without a header.
    Bare,
    /// The client, with the `traceparent` header of 55 bytes that instrumented messages have.
    Header,
    /// [`Instrumentation::disabled`].
    Disabled,
    /// No provider is set.
    NoProvider,
    /// Metrics, with tracing switched off.
    Metrics,
    /// Metrics, and 1 % of the spans.
    OnePercent,
    /// Metrics, and all spans.
    All,
    /// Metrics, and all spans, which end when the client has taken the message.
    HandOver,
    /// All spans, without metrics: the difference to [`All`](Self::All) is what metrics take.
    Spans,
    /// The code of a tutorial: one span, 100 % sampled, no metrics.
    Tutorial,
    /// Careful code by hand for the same spans and metrics, 1 % sampled.
    CarefulOnePercent,
    /// Careful code by hand for the same spans and metrics, 100 % sampled.
    Careful,
    /// What the SDK takes alone for the same spans and metrics, 1 % sampled.
    SdkOnePercent,
    /// What the SDK takes alone for the same spans and metrics, 100 % sampled.
    Sdk,
}

/// Which of the two sides of a mode a scenario runs.
pub(crate) enum Side {
    /// The bare client, with code by hand around it or none.
    Bare(Box<ByHand>),
    /// The instrumented client.
    Ours(Instrumentation),
}

impl Mode {
    /// All modes, in the order of the tables.
    pub(crate) const ALL: [Self; 14] = [
        Self::Bare,
        Self::Header,
        Self::Disabled,
        Self::NoProvider,
        Self::Metrics,
        Self::OnePercent,
        Self::All,
        Self::HandOver,
        Self::Spans,
        Self::Tutorial,
        Self::CarefulOnePercent,
        Self::Careful,
        Self::SdkOnePercent,
        Self::Sdk,
    ];

    /// Returns the name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Header => "bare + header",
            Self::Disabled => "disabled",
            Self::NoProvider => "no provider",
            Self::Metrics => "metrics only",
            Self::OnePercent => "1 %",
            Self::All => "100 %",
            Self::HandOver => "100 %, to the hand-over",
            Self::Spans => "100 %, no metrics",
            Self::Tutorial => "tutorial, 100 %",
            Self::CarefulOnePercent => "careful, 1 %",
            Self::Careful => "careful, 100 %",
            Self::SdkOnePercent => "SDK alone, 1 %",
            Self::Sdk => "SDK alone, 100 %",
        }
    }

    /// Returns the place in tables.
    pub(crate) fn position(self) -> Option<usize> {
        Self::ALL.iter().position(|known| *known == self)
    }

    /// Returns whether bound instruments make a difference, so that the other build runs it, too.
    pub(crate) const fn has_bound(self) -> bool {
        matches!(self, Self::Metrics | Self::OnePercent | Self::All)
    }

    /// Returns whether a producer in this mode writes the header.
    pub(crate) const fn writes_header(self) -> bool {
        !matches!(self, Self::Bare | Self::Disabled | Self::NoProvider | Self::Metrics)
    }

    /// Returns what runs in this mode.
    pub(crate) fn side(self, system: &'static str) -> Side {
        let ours = || {
            let builder = Instrumentation::builder().with_link_limit(RAISED_LINK_LIMIT.into());
            builder.with_meter_provider(meter_provider())
        };
        let bare = |by_hand| Side::Bare(Box::new(by_hand));
        let careful = |sampling| bare(ByHand::Careful(Box::new(Careful::new(system, sampling))));
        let sdk = |sampling| bare(ByHand::Sdk(Box::new(Sdk::new(system, sampling))));
        Side::Ours(match self {
            Self::Bare => return bare(ByHand::Nothing),
            Self::Header => return bare(ByHand::Header),
            Self::Tutorial => return bare(ByHand::Tutorial(Tutorial::new(system))),
            Self::CarefulOnePercent => return careful(Sampling::OnePercent),
            Self::Careful => return careful(Sampling::Recording),
            Self::SdkOnePercent => return sdk(Sampling::OnePercent),
            Self::Sdk => return sdk(Sampling::Recording),
            Self::Disabled => Instrumentation::disabled(),
            Self::NoProvider => Instrumentation::builder().build(),
            Self::Metrics => ours().with_tracing(false).build(),
            Self::OnePercent => ours().with_tracer_provider(spans(Sampling::OnePercent)).build(),
            Self::All => ours().with_tracer_provider(spans(Sampling::Recording)).build(),
            Self::HandOver => {
                let builder = ours().with_send_span_end(SendSpanEnd::HandOver);
                builder.with_tracer_provider(spans(Sampling::Recording)).build()
            }
            Self::Spans => {
                let tracer_provider = spans(Sampling::Recording);
                ours().with_tracer_provider(tracer_provider).with_metrics(false).build()
            }
        })
    }
}

fn spans(sampling: Sampling) -> SdkTracerProvider {
    tracer_provider(sampling, RAISED_LINK_LIMIT)
}
