//! `cargo xtask browser`: finds or installs Chromium and its driver, which the viewer's tests drive.
//! `cargo xtask pictures`: takes the pictures of the documents with them.

use crate::{brokers, cargo, toolchain::is_in_path};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Says where the driver is. The tests read it.
pub(crate) const VARIABLE: &str = "OTEL_MESSAGING_CHROMEDRIVER";
/// Says where the tests write pictures.
const PICTURES: &str = "OTEL_MESSAGING_PICTURES";
/// Debian's package of the driver, which depends on `chromium`.
const PACKAGE: &str = "chromium-driver";

const INSTALLS: &str = "\
Install it and run the command again:
  Debian          sudo apt-get install chromium chromium-driver
  Ubuntu          Chrome and ChromeDriver from https://googlechromelabs.github.io/chrome-for-testing
  Fedora, RHEL    sudo dnf install chromium chromedriver
  macOS           brew install --cask google-chrome chromedriver
or name a driver: OTEL_MESSAGING_CHROMEDRIVER=/path/to/chromedriver";

/// Prints where the driver is. Fails if there is none and none can be installed.
pub(crate) fn run() -> ExitCode {
    match driver() {
        Ok(driver) => {
            println!("browser: {}", driver.display());
            ExitCode::SUCCESS
        }
        Err(advice) => {
            eprintln!("xtask: {advice}");
            ExitCode::FAILURE
        }
    }
}

/// Takes the pictures again.
pub(crate) fn pictures() -> ExitCode {
    let driver = match driver() {
        Ok(driver) => driver,
        Err(advice) => {
            eprintln!("xtask: {advice}");
            return ExitCode::FAILURE;
        }
    };
    let directory = cargo::root().join("docs").join("pictures");
    let mut test = cargo::command("test");
    test.args(["--package", "otel-messaging-view", "--test", "browser", "--", "pictures"]);
    cargo::run(test.env(VARIABLE, driver).env(PICTURES, directory))
}

/// Returns the driver: what the environment names, what is in `PATH`, what CI's machines have
/// elsewhere, or else Debian's package, which is installed where we are root.
pub(crate) fn driver() -> Result<PathBuf, String> {
    let named = env::var_os(VARIABLE).filter(|it| !it.is_empty()).map(PathBuf::from);
    let of_ci = env::var_os("CHROMEWEBDRIVER").map(|it| Path::new(&it).join("chromedriver"));
    let found = || is_in_path("chromedriver").then(|| PathBuf::from("chromedriver"));
    if let Some(driver) = named.or_else(found).or(of_ci.filter(|it| it.is_file())) {
        return Ok(driver);
    }
    let directory = cargo::root().join("target").join("browser");
    fs::create_dir_all(&directory)
        .map_err(|error| format!("{} could not be created: {error}", directory.display()))?;
    let installed = brokers::install_package(&"browser", PACKAGE, &directory);
    installed.and_then(|()| found().ok_or("the package has no chromedriver".into())).map_err(
        |cause| format!("the viewer's tests need Chromium and its driver: {cause}. {INSTALLS}"),
    )
}
