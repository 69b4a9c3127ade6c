//! What is ambient where spans of `tracing` and contexts of OpenTelemetry are nested.
//!
//! With context activation, the default of `tracing-opentelemetry`, a span that is entered makes
//! its context current, and the current context is the innermost. Without it, both worlds have a
//! current span of their own, and neither says which was entered later.

use std::{cell::Cell, panic::catch_unwind};

use opentelemetry::{
    Context, SpanId,
    baggage::BaggageExt as _,
    trace::{SpanContext, TraceContextExt as _},
};
use tracing::{Dispatch, dispatcher, span};
use tracing_opentelemetry::get_otel_context;

thread_local! {
    static SCOPE: Cell<Option<Scope>> = const { Cell::new(None) };
}

/// What was current when [`in_scope`] called its work.
#[derive(Clone, Copy)]
struct Scope {
    /// The span of the context.
    otel: SpanId,
    /// The span of `tracing`; invalid if there was none.
    tracing: SpanId,
    is_detached: bool,
}

/// Returns the innermost context.
pub(crate) fn current() -> Context {
    let context = Context::current();
    of(&context).unwrap_or(context)
}

/// Returns the context of the current span of `tracing`, if that is inside `context`, the current
/// one. It panics where a sampler does.
pub(crate) fn of(context: &Context) -> Option<Context> {
    let entered = dispatcher::get_default(|dispatch| {
        let current = dispatch.current_span();
        let id = current.id()?;
        let entered = get_otel_context(id, dispatch)?;
        is_inside(&entered, context, || activates(dispatch, id, &entered)).then_some(entered)
    })?;
    Some(if context.baggage().is_empty() {
        entered
    } else {
        // Baggage is in contexts only, so that of the current one is the innermost.
        context.with_remote_span_context(entered.span().span_context().clone())
    })
}

/// Returns whether the span of `tracing` was entered inside `context`, as far as can be told.
fn is_inside(entered: &Context, context: &Context, activates: impl FnOnce() -> bool) -> bool {
    let (tracing, otel) = (entered.span(), context.span());
    let (tracing, otel) = (tracing.span_context(), otel.span_context());
    if !tracing.is_valid() || tracing.span_id() == otel.span_id() {
        return false;
    }
    match SCOPE.get() {
        // No span of `tracing` was entered since.
        Some(scope) if scope.tracing == tracing.span_id() => false,
        // No context was made current since.
        Some(scope) if scope.otel == otel.span_id() => true,
        _ if !otel.is_valid() => true,
        _ => !activates() && is_likely_child(tracing, otel),
    }
}

/// Without context activation, a span of `tracing` that is made inside a context is in its trace.
/// A context that is made inside a span of `tracing` is not, unless the application takes care.
fn is_likely_child(tracing: &SpanContext, otel: &SpanContext) -> bool {
    tracing.trace_id() == otel.trace_id()
}

/// Returns whether the layer activates contexts: whether entering the span again makes its context
/// current.
fn activates(dispatch: &Dispatch, id: &span::Id, entered: &Context) -> bool {
    dispatch.enter(id);
    let is_current = span_id(&Context::current()) == span_id(entered);
    dispatch.exit(id);
    is_current
}

fn span_id(context: &Context) -> SpanId {
    context.span().span_context().span_id()
}

/// Returns the current span of `tracing`; invalid if there is none, or its sampler panics.
fn current_of_tracing() -> SpanId {
    let current = || {
        dispatcher::get_default(|dispatch| {
            let current = dispatch.current_span();
            Some(span_id(&get_otel_context(current.id()?, dispatch)?))
        })
    };
    catch_unwind(current).ok().flatten().unwrap_or(SpanId::INVALID)
}

/// Calls `work` in `context`, which is the innermost there until `work` enters a span.
pub(crate) fn in_scope<T>(context: Context, work: impl FnOnce() -> T) -> T {
    call(context, false, work)
}

/// Calls `work` in an empty context, whatever span of `tracing` is current.
pub(crate) fn detached<T>(work: impl FnOnce() -> T) -> T {
    call(Context::new(), true, work)
}

fn call<T>(context: Context, is_detached: bool, work: impl FnOnce() -> T) -> T {
    let scope = Scope { otel: span_id(&context), tracing: current_of_tracing(), is_detached };
    let _current = context.attach();
    let _outer = Restore(SCOPE.replace(Some(scope)));
    work()
}

/// Restores the scope around, also while a panic unwinds.
struct Restore(Option<Scope>);

impl Drop for Restore {
    fn drop(&mut self) {
        SCOPE.set(self.0);
    }
}

/// Returns whether [`detached`] calls this, and no span of `tracing` was entered since.
pub(crate) fn is_detached() -> bool {
    SCOPE.get().is_some_and(|scope| scope.is_detached && scope.tracing == current_of_tracing())
}
