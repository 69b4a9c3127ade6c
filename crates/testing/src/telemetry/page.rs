//! What a test recorded, as a page.

use std::{
    collections::HashSet,
    env, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use opentelemetry_sdk::Resource;
use otel_messaging_view::{Spans, Traces};

use super::Telemetry;

/// Names the directory for the pages of tests that fail.
const VARIABLE: &str = "OTEL_MESSAGING_HTML";

/// The pages of this process. A test may have several [`Telemetry`].
static WRITTEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

impl Telemetry {
    /// Writes the finished spans as an HTML page, which shows their links and follows them in both
    /// directions. The page is one file and needs no network. The service is named after the test.
    ///
    /// A test that fails writes its page by itself where the environment variable
    /// `OTEL_MESSAGING_HTML` names a directory: as `name_of_the_test.html`, when its `Telemetry` is
    /// dropped.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_html(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let name = test_name();
        let resource = Resource::builder_empty().with_service_name(name.clone()).build();
        let mut spans = Spans::new();
        spans.add_finished(&resource, self.spans().into_iter().map(|it| it.data));
        fs::write(path, Traces::new(spans).html(&name))
    }

    /// Writes the page of a test that fails, and says where it is.
    pub(super) fn write_on_failure(&self) {
        let directory = env::var_os(VARIABLE).filter(|it| !it.is_empty() && thread::panicking());
        let Some(directory) = directory.map(PathBuf::from) else { return };
        let path = unused(&directory, &test_name().replace("::", "."));
        let written = fs::create_dir_all(&directory).and_then(|()| self.write_html(&path));
        match written {
            Ok(()) => eprintln!("the spans of this test are in {}", path.display()),
            Err(error) => eprintln!("{} could not be written: {error}", path.display()),
        }
    }
}

/// Returns the name of the test, which the harness gives its thread.
fn test_name() -> String {
    thread::current().name().unwrap_or("test").to_owned()
}

/// Returns `name.html`, or with a number where this process has written that.
fn unused(directory: &Path, name: &str) -> PathBuf {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let written = written.get_or_insert_default();
    let mut path = directory.join(format!("{name}.html"));
    let mut number = 2;
    while !written.insert(path.clone()) {
        path = directory.join(format!("{name}-{number}.html"));
        number += 1;
    }
    path
}
