//! What has to be on a machine before librdkafka can be built from source.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A tool, the variable that may name it, and the programs that will do, as librdkafka's own
/// `configure` looks for them.
struct Tool {
    name: &'static str,
    variable: &'static str,
    programs: &'static [&'static str],
}

const MAKE: &str = if cfg!(target_os = "freebsd") { "gmake" } else { "make" };

const TOOLS: [Tool; 4] = [
    Tool { name: "a C compiler", variable: "CC", programs: &["gcc", "clang", "cc"] },
    Tool { name: "a C++ compiler", variable: "CXX", programs: &["g++", "clang++", "c++"] },
    Tool { name: "make", variable: "", programs: &[MAKE] },
    Tool { name: "bash", variable: "", programs: &["bash"] },
];

/// Looks for all tools; the error says which are missing and what to install.
pub(crate) fn check() -> Result<(), String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = env::split_paths(&path).collect();
    check_with(|program| is_found(program, &directories), |variable| env::var(variable).ok())
}

fn check_with(
    is_found: impl Fn(&str) -> bool,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let is_there = |tool: &Tool| {
        // `CC="ccache gcc"` is a program and its first argument.
        let named = variable(tool.variable);
        let named = named.as_deref().and_then(|named| named.split_whitespace().next());
        named.into_iter().chain(tool.programs.iter().copied()).any(&is_found)
    };
    let missing: Vec<&str> =
        TOOLS.iter().filter(|tool| !is_there(tool)).map(|tool| tool.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the Kafka client (librdkafka) is built from source, and this is not in PATH: {}.\n\
         Install it and run the command again:\n\
         \x20 Debian, Ubuntu  sudo apt-get install build-essential\n\
         \x20 Fedora, RHEL    sudo dnf install gcc gcc-c++ make bash\n\
         \x20 Alpine          sudo apk add build-base bash\n\
         \x20 macOS           xcode-select --install",
        missing.join(", ")
    ))
}

/// A name with a slash is a path; any other is looked for in the directories of `PATH`.
fn is_found(program: &str, directories: &[PathBuf]) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    directories.iter().any(|directory| {
        directory.join(program).is_file() || directory.join(format!("{program}.exe")).is_file()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn any_known_compiler_will_do() {
        assert_eq!(check_with(|p| ["clang", "c++", MAKE, "bash"].contains(&p), none), Ok(()));
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let advice = check_with(|program| program == "gcc", none).unwrap_err();
        assert!(advice.contains("not in PATH: a C++ compiler, make, bash."), "{advice}");
        assert!(advice.contains("apt-get install build-essential"), "{advice}");
    }

    #[test]
    fn a_compiler_may_be_named_by_its_variable() {
        let variable = |name: &str| (name == "CC").then(|| "ccache tcc".to_owned());
        let is_found = |program: &str| ["ccache", "g++", MAKE, "bash"].contains(&program);
        assert_eq!(check_with(is_found, variable), Ok(()));
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let own = env::current_exe().unwrap();
        let directory = own.parent().unwrap().to_path_buf();
        let name = own.file_name().unwrap().to_str().unwrap();
        assert!(is_found(name, std::slice::from_ref(&directory)));
        assert!(is_found(own.to_str().unwrap(), &[]));
        assert!(!is_found("no-such-compiler", &[directory]));
    }
}
