//! `cargo xtask readme`: the sections of README.md that the docs of `otel-messaging` have too,
//! written from the same pieces.

mod piece;

use crate::UsageError;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "\
Usage: cargo xtask readme [--check]

Writes the sections of README.md that stand between markers, `<!-- docs/NAME.md -->` and
`<!-- end -->`, from the pieces in crates/otel-messaging/docs, which are also the crate's docs.

  --check   write nothing, and fail if README.md is not what would be written
";

const DOCS: &str = "crates/otel-messaging";
const BEGIN: &str = "<!-- docs/";
const BEGIN_END: &str = " -->";
const END: &str = "<!-- end -->";

/// Fails if a piece is missing or cannot be shown outside of rustdoc; with `--check`, if README.md
/// is not up to date.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode, UsageError> {
    let is_check = match args {
        [] => false,
        [arg] if arg == "--check" => true,
        [arg] if arg == "-h" || arg == "--help" => {
            print!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        [arg, ..] => {
            let arg = arg.to_string_lossy();
            return Err(UsageError(format!("`readme` has no option `{arg}` (see --help)")));
        }
    };
    Ok(match update(is_check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("xtask: {cause}");
            ExitCode::FAILURE
        }
    })
}

fn update(is_check: bool) -> Result<(), String> {
    let path = root().join("README.md");
    let present = read(&path)?;
    let wanted = fill(&present, |name| read(&root().join(DOCS).join("docs").join(name)))?;
    if wanted == present {
        return Ok(());
    }
    if is_check {
        return Err(format!(
            "README.md is not what `cargo xtask readme` writes. Change the pieces in {DOCS}/docs \
             instead of its sections between markers, then run it and commit both"
        ));
    }
    fs::write(&path, wanted).map_err(|error| format!("{} is not written: {error}", path.display()))
}

/// The text with each section replaced by its piece, which `piece` has by its name.
fn fill(readme: &str, piece: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = readme;
    while let Some((own, section)) = rest.split_once(BEGIN) {
        let (name, section) = section
            .split_once(BEGIN_END)
            .ok_or_else(|| format!("README.md has a `{BEGIN}` without `{BEGIN_END}`"))?;
        let (_, after) = section
            .split_once(END)
            .ok_or_else(|| format!("README.md has no `{END}` after `{BEGIN}{name}{BEGIN_END}`"))?;
        let text = piece::shown(&piece(name)?).map_err(|cause| format!("{name}: {cause}"))?;
        filled += own;
        for part in [BEGIN, name, BEGIN_END, "\n", text.trim_end(), "\n", END] {
            filled += part;
        }
        rest = after;
    }
    filled += rest;
    Ok(filled)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{} is not read: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(name: &str) -> Result<String, String> {
        match name {
            "a.md" => Ok("# A\n\ntext\n".into()),
            _ => Err(format!("{name} is not read")),
        }
    }

    #[test]
    fn sections_are_replaced_and_the_rest_is_kept() {
        let readme = "# Title\n<!-- docs/a.md -->\nold\n<!-- end -->\nown\n";
        let filled = fill(readme, piece).unwrap();
        let expected = "# Title\n<!-- docs/a.md -->\n## A\n\ntext\n<!-- end -->\nown\n";
        assert_eq!(filled, expected);
        assert_eq!(fill(&filled, piece).unwrap(), filled, "once is enough");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (readme, cause) in [
            ("<!-- docs/b.md --><!-- end -->", "b.md is not read"),
            ("<!-- docs/a.md -->", "README.md has no `<!-- end -->` after `<!-- docs/a.md -->`"),
            ("<!-- docs/a.md", "README.md has a `<!-- docs/` without ` -->`"),
        ] {
            assert_eq!(fill(readme, piece).unwrap_err(), cause);
        }
    }

    /// Every piece is in the crate's docs, and every option in their table.
    #[test]
    fn the_docs_are_complete() {
        let library = read(&root().join(DOCS).join("src/lib.rs")).unwrap();
        for entry in fs::read_dir(root().join(DOCS).join("docs")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let attribute = format!("doc = include_str!(\"../docs/{name}\")");
            assert!(library.contains(&attribute), "{name} is not in the docs of {DOCS}");
        }
        let options = read(&root().join(DOCS).join("docs/options.md")).unwrap();
        let builder = read(&root().join("crates/core/src/instrumentation.rs")).unwrap();
        let methods = builder.split("fn with_").skip(1);
        let names: Vec<_> =
            methods.map(|rest| rest.split(|c: char| c != '_' && !c.is_alphanumeric())).collect();
        assert!(!names.is_empty(), "the builder has moved");
        for name in names.into_iter().filter_map(|mut words| words.next()) {
            let row = format!("| [`with_{name}`](");
            assert!(options.contains(&row), "with_{name} is not in the table of options.md");
        }
    }
}
