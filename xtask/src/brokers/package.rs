//! Installs packages of Debian and Ubuntu.

use super::{native, task};
use crate::toolchain::is_in_path;
use std::{fmt::Display, fs, path::Path, process::Command};

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs a package without starting its server, which Debian would start on all interfaces. A
/// `policy-rc.d` forbids the start; if the machine has none, the script creates one until the
/// installation has ended. It updates the package lists only if the first attempt fails.
const SCRIPT: &str = r#"
package=$1 policy=$2
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\n# by cargo xtask brokers\nexit 101\n' > "$policy" || exit 1
    chmod +x "$policy"
fi
install() { apt-get install -y --no-install-recommends "$package"; }
install || { apt-get update && install; }
"#;

/// Installs the package if there is `apt-get` and we are root. `title` begins the messages.
pub(crate) fn install(title: &dyn Display, package: &str, directory: &Path) -> Result<(), String> {
    if !is_in_path("apt-get") {
        return Err(format!("{package} is missing"));
    }
    if native::output_of("id", &["-u"]).is_none_or(|id| id.trim() != "0") {
        return Err(format!("{package} is missing, and only root can install it"));
    }
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", package, POLICY]).env("DEBIAN_FRONTEND", "noninteractive");
    let what = format!("installing the package {package}");
    let outcome = task::run(title, &what, command, &directory.join("apt.log"));
    // A shell that was killed at the time limit leaves the policy.
    if fs::read_to_string(POLICY).is_ok_and(|text| text.contains("by cargo xtask brokers")) {
        let _ = fs::remove_file(POLICY);
    }
    outcome
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::brokers::instance::write;
    use std::{env, os::unix::fs::PermissionsExt};

    #[test]
    fn an_installation_starts_nothing_and_leaves_no_policy() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let (policy, apt) = (directory.join("policy-rc.d"), directory.join("apt-get"));
        // Writes down each call and what the policy says. Fails before the first update.
        let fake = format!(
            "#!/bin/sh\nd='{}'\necho \"$1 $(sh \"$d/policy-rc.d\"; echo $?)\" >> \"$d/calls\"\n\
             [ \"$1\" = update ] || grep -q update \"$d/calls\"\n",
            directory.display()
        );
        write(&apt, &fake).unwrap();
        fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", directory.display(), env::var("PATH").unwrap());
        let run = || {
            let mut command = Command::new("sh");
            command.args(["-c", SCRIPT, "sh", "nats-server"]).arg(&policy).env("PATH", &path);
            assert!(command.status().unwrap().success());
        };
        run();
        let calls = fs::read_to_string(directory.join("calls")).unwrap();
        assert_eq!(calls, "install 101\nupdate 101\ninstall 101\n");
        assert!(!policy.exists());

        write(&policy, "#!/bin/sh\nexit 0\n").unwrap();
        run();
        assert!(policy.exists(), "the machine's own policy must stay");
    }
}
