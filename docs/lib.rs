//! Compiles the examples of the repository's documents: a published crate cannot include files from
//! outside of its own directory.

/// The examples of README.md, with the dependency renamed as it says.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The examples of new-broker.md that are not quotes.
#[cfg(doctest)]
#[doc = include_str!("new-broker.md")]
pub struct NewBroker;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Reads the sources that new-broker.md quotes: the toy and its tests.
    fn sources() -> String {
        let testing = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/testing");
        let mut sources = String::new();
        for directory in ["src/toy", "tests", "tests/toy"] {
            for entry in fs::read_dir(testing.join(directory)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    sources.push_str(&fs::read_to_string(path).unwrap());
                }
            }
        }
        sources
    }

    #[test]
    fn blocks_marked_rs_are_quoted_as_they_are() {
        let sources = sources();
        let quotes: Vec<&str> = include_str!("new-broker.md")
            .split("\n```rs\n")
            .skip(1)
            .map(|rest| rest.split("\n```\n").next().unwrap())
            .collect();
        assert!(!quotes.is_empty(), "the page quotes nothing");
        for quote in quotes {
            assert!(sources.contains(quote), "not in the toy's sources:\n{quote}");
        }
    }

    /// Reads the recipes for the collector and for Jaeger: their names and texts.
    fn recipes() -> Vec<(String, String)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
    }

    #[test]
    fn each_recipe_is_explained() {
        for (name, _) in recipes() {
            let link = format!("](recipes/{name})");
            assert!(include_str!("seeing.md").contains(&link), "seeing.md has no {link}");
        }
    }

    #[test]
    fn recipes_read_attributes_that_are_recorded() {
        use otel_messaging_core::semconv;
        let graph = recipes().into_iter().find(|(name, _)| name == "service-graph.yaml").unwrap().1;
        for key in [semconv::CREATION_CONTEXT_TRACE_ID, semconv::CREATION_CONTEXT_SPAN_ID] {
            assert!(graph.contains(&format!("span.attributes[\"{key}\"]")), "{key}");
        }
    }

    /// Appends the text of all Rust files of a directory.
    fn read_all(directory: &Path, sources: &mut String) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read_all(&path, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn the_tests_that_the_page_on_security_names_are_there() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let page = fs::read_to_string(crates.join("otel-messaging/docs/security.md")).unwrap();
        let mut sources = String::new();
        read_all(&crates.join("testing"), &mut sources);
        read_all(&crates.join("sampling/tests"), &mut sources);
        let (_, rest) = page.split_once("| attempt |").unwrap();
        let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
        let mut named = 0;
        for row in rows {
            let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
            let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
            assert!(!tests.is_empty(), "no test: {row}");
            named += tests.len();
            for test in tests {
                assert!(sources.contains(&format!("fn {test}")), "there is no test {test}");
            }
        }
        assert!(named > 20, "{named} tests");
    }
}
