//! The sampler as applications configure it.

use std::sync::{Arc, atomic::AtomicBool};

use opentelemetry_sdk::trace::ShouldSample;

use crate::{
    bound::{Bound, Limiter},
    decision::LinkedRoot,
};

/// Samples the first span of a trace by its links, and asks a root sampler where there are none.
/// Cheap to clone; clones share the state of a [`Bound`].
///
/// It is to be passed to `Sampler::parent_based`:
///
/// ```
/// use opentelemetry_sdk::trace::Sampler;
/// use otel_messaging_sampling::LinkSampler;
///
/// let sampler = Sampler::parent_based(LinkSampler::sticky(Sampler::TraceIdRatioBased(0.01)));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a sampler does nothing until a tracer provider has it"]
pub struct LinkSampler {
    pub(crate) root: Box<dyn ShouldSample>,
    pub(crate) rule: Rule,
    pub(crate) unsampled_links: UnsampledLinks,
    pub(crate) max_links: usize,
    pub(crate) has_warned: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// The root's decision on the origin of one link.
    Sticky,
    /// At least one link is sampled, and at least `share` of them.
    Sampled { share: f64, bound: Option<Arc<Limiter>> },
}

/// What happens to a span that has links of which too few are sampled. For all rules but
/// [`LinkSampler::sticky`], which does not read the links' sampled flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsampledLinks {
    /// The span is dropped.
    #[default]
    Drop,
    /// The root sampler is asked. It is given an id that is derived from the first link, so that
    /// all spans of one message are decided alike, and apart from the producer's decision.
    Root,
}

impl LinkSampler {
    /// Samples by the origin of a link: keeps whole chains of linked traces, at the rate of `root`.
    ///
    /// The *origin* is the id of the trace in which a chain began. The root sampler is asked with
    /// the origin in place of the new trace's id, so it decides as it did (or would have) at the
    /// origin. The origin travels in the entry `otelmsg` of the `tracestate`; a link without that
    /// entry is its own origin. What else is in the entry than a trace id in 32 lower-case
    /// hexadecimal digits is ignored. If a `tracestate` is full (32 entries), the last entry gives
    /// way.
    ///
    /// For a batch, the first link that counts decides, whether it is sampled or not: so batches
    /// are sampled at the rate of `root` too, whatever their size.
    ///
    /// Sampled flags of links have no effect. So a producer that is not trusted cannot force a span
    /// to be sampled by its flag. It can by choosing its trace id or the entry, as it can with
    /// `TraceIdRatioBased` and a remote parent.
    ///
    /// If a link is sampled, has no origin, and `root` drops it, a warning is logged once: the
    /// producer has another sampler or rate, or the `tracestate` was lost on the way.
    pub fn sticky(root: impl Into<Box<dyn ShouldSample>>) -> Self {
        Self::new(root, Rule::Sticky)
    }

    /// Samples a span if any of its links is sampled. No link of a sampled single message leads to
    /// a trace that was dropped. The rate of batches rises with their size: if producers keep 1 %,
    /// 63 % of all batches of 100 messages are kept, and 99 % of those of 500.
    pub fn any(root: impl Into<Box<dyn ShouldSample>>) -> Self {
        Self::fraction(root, 0.0)
    }

    /// Samples a span if any of its links is sampled, and no more batches than `bound` allows. A
    /// batch is a span with more than one link.
    ///
    /// ```
    /// use opentelemetry_sdk::trace::Sampler;
    /// use otel_messaging_sampling::{Bound, LinkSampler};
    ///
    /// let root = Sampler::TraceIdRatioBased(0.01);
    /// let sampler = LinkSampler::any_up_to(Bound::Share(0.05), root);
    /// ```
    pub fn any_up_to(bound: Bound, root: impl Into<Box<dyn ShouldSample>>) -> Self {
        let bound = Some(Arc::new(Limiter::new(bound)));
        Self::new(root, Rule::Sampled { share: 0.0, bound })
    }

    /// Samples a span if all of its links are sampled. No link of a sampled span leads to a trace
    /// that was dropped, and few batches are sampled.
    pub fn all(root: impl Into<Box<dyn ShouldSample>>) -> Self {
        Self::fraction(root, 1.0)
    }

    /// Samples a span if at least one of its links is sampled, and at least this fraction of them,
    /// from 0 (as [`any`](Self::any)) to 1 (as [`all`](Self::all)).
    pub fn fraction(root: impl Into<Box<dyn ShouldSample>>, fraction: f64) -> Self {
        Self::new(root, Rule::Sampled { share: fraction, bound: None })
    }

    /// Sets what happens to a span that has links of which too few are sampled. Default:
    /// [`UnsampledLinks::Drop`]. It has no effect on [`sticky`](Self::sticky).
    pub const fn with_unsampled_links(mut self, unsampled_links: UnsampledLinks) -> Self {
        self.unsampled_links = unsampled_links;
        self
    }

    /// Sets how many links of a span are looked at, from the first on. Default: all.
    pub const fn with_max_links(mut self, count: usize) -> Self {
        self.max_links = count;
        self
    }

    fn new(root: impl Into<Box<dyn ShouldSample>>, rule: Rule) -> Self {
        Self {
            root: root.into(),
            rule,
            unsampled_links: UnsampledLinks::default(),
            max_links: usize::MAX,
            has_warned: Arc::default(),
        }
    }

    /// Hides `Into::into` from method calls: `Sampler::ParentBased(sampler.into())` must not
    /// compile, as that variant discards the origin.
    #[doc(hidden)]
    pub fn into(self) -> PassItToSamplerParentBased {
        PassItToSamplerParentBased
    }
}

/// What a wrong conversion of a [`LinkSampler`] gives, to be read in the compiler's error.
#[doc(hidden)]
#[derive(Debug)]
pub struct PassItToSamplerParentBased;

/// For `Sampler::parent_based` and `with_sampler`.
#[expect(clippy::from_over_into, reason = "`Sampler::ParentBased(Box::from(..))` must not compile")]
impl Into<Box<dyn ShouldSample>> for LinkSampler {
    fn into(self) -> Box<dyn ShouldSample> {
        Box::new(LinkedRoot(self))
    }
}
