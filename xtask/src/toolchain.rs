//! Checks for the programs that the build of librdkafka needs.

use std::{env, path::PathBuf};

const MAKE: &str = if cfg!(target_os = "freebsd") { "gmake" } else { "make" };

/// The name of each tool, the variable that can replace it, and its usual programs. librdkafka's
/// `configure` looks for the same ones.
const TOOLS: [(&str, &str, &[&str]); 4] = [
    ("a C compiler", "CC", &["gcc", "clang", "cc"]),
    ("a C++ compiler", "CXX", &["g++", "clang++", "c++"]),
    ("make", "", &[MAKE]),
    ("bash", "", &["bash"]),
];

/// Looks for all tools. The error names those that are missing and how to install them.
pub(crate) fn check() -> Result<(), String> {
    check_with(is_in_path, |variable| env::var(variable).ok())
}

fn check_with(
    is_found: impl Fn(&str) -> bool,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let is_missing = |variable_name: &str, programs: &[&str]| {
        // `CC="ccache gcc"` names a program and its first argument.
        let named = variable(variable_name).unwrap_or_default();
        !named.split_whitespace().take(1).chain(programs.iter().copied()).any(&is_found)
    };
    let missing: Vec<&str> = TOOLS
        .iter()
        .filter(|(_, variable, programs)| is_missing(variable, programs))
        .map(|(name, ..)| *name)
        .collect();
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

/// Returns true if the program is a file in a directory of `PATH`, or an absolute path.
pub(crate) fn is_in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_in = |directory: PathBuf| {
        directory.join(program).is_file() || directory.join(format!("{program}.exe")).is_file()
    };
    env::split_paths(&path).any(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_known_compiler_is_enough_and_a_variable_can_name_another() {
        let is_found = |program: &str| ["clang", "ccache", MAKE, "bash"].contains(&program);
        let variable = |name: &str| (name == "CXX").then(|| "ccache icpx".to_owned());
        assert_eq!(check_with(is_found, variable), Ok(()));
    }

    #[test]
    fn all_missing_tools_are_named_at_once() {
        let advice = check_with(|program| program == "gcc", |_| None).unwrap_err();
        assert!(advice.contains("not in PATH: a C++ compiler, make, bash."), "{advice}");
        assert!(advice.contains("apt-get install build-essential"), "{advice}");
    }

    #[cfg(unix)]
    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(is_in_path("sh"));
        assert!(is_in_path(env::current_exe().unwrap().to_str().unwrap()));
        assert!(!is_in_path("no-such-compiler"));
    }
}
