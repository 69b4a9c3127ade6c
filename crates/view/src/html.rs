//! Writes the page: one file with its data, style and scripts, which needs nothing else.

mod data;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use self::data::Data;
use crate::traces::Traces;

const PAGE: &str = include_str!("../assets/page.html");
const STYLE: &str = include_str!("../assets/style.css");
/// The scripts, as modules: each after those that it imports from.
const SCRIPTS: [(&str, &str); 14] = [
    ("elements", include_str!("../assets/elements.js")),
    ("format", include_str!("../assets/format.js")),
    ("data", include_str!("../assets/data.js")),
    ("address", include_str!("../assets/address.js")),
    ("search", include_str!("../assets/search.js")),
    ("list", include_str!("../assets/list.js")),
    ("parts", include_str!("../assets/parts.js")),
    ("cells", include_str!("../assets/cells.js")),
    ("arrows", include_str!("../assets/arrows.js")),
    ("rows", include_str!("../assets/rows.js")),
    ("details", include_str!("../assets/details.js")),
    ("layout", include_str!("../assets/layout.js")),
    ("map", include_str!("../assets/map.js")),
    ("main", include_str!("../assets/main.js")),
];

impl Traces {
    /// Writes all traces as an HTML page with this title.
    ///
    /// The page is one file. It needs no network, and a content security policy lets nothing run but
    /// its own script: what spans contain is shown and never run.
    pub fn html(&self, title: &str) -> String {
        let script = joined();
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; \
             base-uri 'none'; form-action 'none'",
            hash(&script),
            hash(STYLE)
        );
        let data = Data::new(self).to_json();
        let title = escaped(title);
        let parts = [
            ("POLICY", &*policy),
            ("TITLE", &title),
            ("STYLE", STYLE),
            ("DATA", &data),
            ("SCRIPT", &script),
        ];
        let mut page = String::with_capacity(PAGE.len() + STYLE.len() + data.len() + script.len());
        let mut rest = PAGE;
        // One pass from front to end, so that nothing is replaced in what spans contain.
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            let part = parts.iter().find(|(it, _)| *it == name);
            page.push_str(before);
            page.push_str(part.map_or("", |(_, text)| text));
            rest = after;
        }
        page + rest
    }
}

/// Joins the modules to one script, since browsers import nothing from `file://`: a module becomes a
/// function that returns what it exports.
fn joined() -> String {
    SCRIPTS.into_iter().map(|(name, script)| module(name, script)).collect()
}

fn module(name: &str, script: &str) -> String {
    let (mut body, mut exports) = (String::new(), Vec::new());
    for line in script.lines() {
        // `import { a, b } from "./list.js";`
        let import = line.strip_prefix("import ").and_then(|it| it.split_once(" from \"./"));
        let export = line.strip_prefix("export ");
        if let Some((names, file)) = import {
            let from = file.trim_end_matches(".js\";");
            body.extend(["const ", names, " = module_", from, ";\n"]);
            continue;
        }
        // `export function name(`, `export class Name {`, `export const NAME =`
        let exported = export.and_then(|it| it.trim_start_matches("async ").split_once(' '));
        if let Some((_, name)) = exported {
            let is_in_name = |it: char| it.is_alphanumeric() || it == '_';
            exports.push(name.split(|it| !is_in_name(it)).next().unwrap_or_default());
        }
        body.extend([export.unwrap_or(line), "\n"]);
    }
    let exports = exports.join(", ");
    format!("const module_{name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n")
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
