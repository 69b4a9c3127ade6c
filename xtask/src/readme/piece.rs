//! A piece of the crate's docs as it is shown outside of rustdoc.

const DOCS_RS: &str = "https://docs.rs";

/// What stands behind the crate's modules, which are other crates.
const CRATES: [(&str, &str); 4] = [
    ("otel", "otel-messaging-core"),
    ("rdkafka", "otel-messaging-rdkafka"),
    ("lapin", "otel-messaging-lapin"),
    ("async_nats", "otel-messaging-async-nats"),
];

/// Headings one level deeper, examples without their hidden lines, links to items as links to their
/// pages.
pub(super) fn shown(piece: &str) -> Result<String, String> {
    let mut shown = String::new();
    let mut block = None;
    for line in piece.lines() {
        let fence = line.trim_start().strip_prefix("```");
        let line = match (block, fence) {
            (None, Some(language)) => {
                block = Some(is_rust(language));
                Some(if is_rust(language) { "```rust".into() } else { line.to_owned() })
            }
            (None, None) if line.starts_with('#') => Some(format!("#{line}")),
            (None, None) => Some(linked(line)?),
            (Some(_), Some(_)) => {
                block = None;
                Some(line.to_owned())
            }
            (Some(true), None) => visible(line),
            (Some(false), None) => Some(line.to_owned()),
        };
        if let Some(line) = line {
            shown += &line;
            shown.push('\n');
        }
    }
    Ok(shown)
}

/// As rustdoc sees it: `rust`, with or without more words.
fn is_rust(language: &str) -> bool {
    language.split(',').next() == Some("rust")
}

/// A line of an example as rustdoc shows it.
fn visible(line: &str) -> Option<String> {
    let code = line.trim_start();
    if code == "#" || code.starts_with("# ") {
        None
    } else if code.starts_with("##") {
        Some(line.replacen("##", "#", 1))
    } else {
        Some(line.to_owned())
    }
}

/// With `](kind@crate::path)` as the address of the item's page.
fn linked(line: &str) -> Result<String, String> {
    let mut linked = String::new();
    let mut rest = line;
    while let Some((before, target)) = rest.split_once("](") {
        linked += before;
        linked += "](";
        let (target, after) =
            target.split_once(')').ok_or_else(|| format!("a link has no end: {line}"))?;
        if target.contains("crate::") {
            linked += &address(target)
                .ok_or_else(|| format!("write `{target}` as `kind@crate::…`, as rustdoc has it"))?;
        } else {
            linked += target;
        }
        linked.push(')');
        rest = after;
    }
    linked += rest;
    Ok(linked)
}

/// The page of an item, which rustdoc knows by its path and docs.rs by its kind, too.
fn address(target: &str) -> Option<String> {
    let (kind, path) = target.split_once('@')?;
    let mut names: Vec<&str> = path.strip_prefix("crate::")?.split("::").collect();
    let behind = CRATES.iter().find(|(module, _)| *module == names[0]);
    let package = behind.map_or("otel-messaging", |(_, package)| package);
    if behind.is_some() {
        names.remove(0);
    }
    let name = (kind != "mod").then(|| names.pop()).flatten();
    let page = match (kind, name) {
        ("mod", None) => "index.html".to_owned(),
        // Whatever has methods in these docs is a struct.
        ("method", Some(method)) => format!("struct.{}.html#method.{method}", names.pop()?),
        ("struct" | "enum" | "trait" | "macro", Some(name)) => {
            format!("{kind}.{name}.html")
        }
        _ => return None,
    };
    let mut address = format!("{DOCS_RS}/{package}/latest/{}", package.replace('-', "_"));
    for module in names {
        address.push('/');
        address += module;
    }
    Some(format!("{address}/{page}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_deeper_but_not_those_of_code() {
        let piece = "# One\n```toml\n# a comment\n```\n## Two\n";
        assert_eq!(shown(piece).unwrap(), "## One\n```toml\n# a comment\n```\n### Two\n");
    }

    #[test]
    fn examples_are_as_rustdoc_shows_them() {
        let piece = "```rust,no_run\n# hidden\nuse a; // shown\n#\n    # hidden\n#[cfg(test)]\n\
                     ##[escaped]\n```\n";
        assert_eq!(
            shown(piece).unwrap(),
            "```rust\nuse a; // shown\n#[cfg(test)]\n#[escaped]\n```\n"
        );
    }

    #[test]
    fn links_to_items_lead_to_their_pages() {
        let docs = "https://docs.rs/otel-messaging";
        for (target, expected) in [
            ("https://w3.org", "https://w3.org".to_owned()),
            (
                "struct@crate::otel::Batch",
                format!("{docs}-core/latest/otel_messaging_core/struct.Batch.html"),
            ),
            (
                "method@crate::otel::builder::Builder::build",
                format!(
                    "{docs}-core/latest/otel_messaging_core/builder/struct.Builder.html#method.build"
                ),
            ),
            (
                "mod@crate::async_nats",
                format!("{docs}-async-nats/latest/otel_messaging_async_nats/index.html"),
            ),
            (
                "mod@crate::rdkafka::consumer",
                format!("{docs}-rdkafka/latest/otel_messaging_rdkafka/consumer/index.html"),
            ),
            ("macro@crate::prelude", format!("{docs}/latest/otel_messaging/macro.prelude.html")),
        ] {
            let line = linked(&format!("a [b]({target}), [c](d)")).unwrap();
            assert_eq!(line, format!("a [b]({expected}), [c](d)"));
        }
    }

    #[test]
    fn a_link_that_only_rustdoc_understands_is_refused() {
        let advice = "write `crate::otel::Batch` as `kind@crate::…`, as rustdoc has it";
        assert_eq!(shown("[a](crate::otel::Batch)\n").unwrap_err(), advice);
        assert!(shown("[a](union@crate::otel::Batch)\n").is_err());
        assert_eq!(shown("[a](b\n").unwrap_err(), "a link has no end: [a](b");
    }
}
