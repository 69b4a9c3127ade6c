//! Draws finished OpenTelemetry spans and the links between them as one HTML file, or as text.
//!
//! Links are what joins the traces of messaging: a consumer's span links to the span that sent the
//! message. The page shows them as arrows between traces and follows them in both directions; a
//! batch opens into its messages; and a map shows services and destinations with the time from send
//! to process. The file needs no network and no server.
//!
//! # From files
//!
//! ```no_run
//! use otel_messaging_view::{Spans, Traces};
//! use std::fs::{self, File};
//!
//! fn view() -> std::io::Result<()> {
//!     let mut spans = Spans::new();
//!     spans.read("spans.jsonl", File::open("spans.jsonl")?); // OTLP JSON or protobuf, also gzip
//!     let traces = Traces::new(spans);
//!     for problem in &traces.problems {
//!         eprintln!("{}", problem.text); // also on the page
//!     }
//!     fs::write("spans.html", traces.html("Orders of Monday"))
//! }
//! ```
//!
//! The program `otel-messaging-view FILE.. -o OUT.html` does the same.
//!
//! # From a test
//!
//! [`Spans::add_finished`] takes the spans of the SDK's in-memory exporter, and [`Spans::add`] what
//! a receiver of OTLP got.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod checks;
mod html;
mod input;
mod map;
mod problem;
mod spans;
mod text;
mod traces;
mod value;

pub use self::{
    map::{Edge, Map, Message, Node},
    problem::Problem,
    spans::{Origin, Span, Spans},
    traces::Traces,
};
pub use opentelemetry_proto;
