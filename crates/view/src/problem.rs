/// Something that is wrong with the input or with the spans in it. The page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with its count.
    pub text: String,
    /// Some of the spans it is about, by their index in [`Traces::spans`](crate::Traces::spans).
    pub spans: Vec<usize>,
}

impl Problem {
    /// How many spans a problem names.
    const SHOWN: usize = 5;

    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), spans: Vec::new() }
    }

    /// Names the first of these spans. Returns `None` if there are none.
    pub(crate) fn of(spans: &[usize], text: impl FnOnce(usize) -> String) -> Option<Self> {
        let shown = &spans[..spans.len().min(Self::SHOWN)];
        (!spans.is_empty()).then(|| Self { text: text(spans.len()), spans: shown.to_vec() })
    }
}

/// Returns `1 span`, `2 spans`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
