//! Debian's packages, installed where we may.

use super::{broker::Broker, native, task};
use std::{fs, path::Path, process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(15 * 60);

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Debian starts a server when it is installed, on all interfaces. `policy-rc.d` is the means to
/// forbid that; where the machine has none, ours is there for as long as the installation runs.
/// The lists of packages are fetched only if the package is not in those that are there.
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

/// The error says why it could not even be tried, or how it failed.
pub(super) fn install(broker: Broker, package: &str, directory: &Path) -> Result<(), String> {
    if !native::has("apt-get") {
        return Err(format!("{package} is missing"));
    }
    if !is_root() {
        return Err(format!("{package} is missing, and only root can install it"));
    }
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", package, POLICY]).env("DEBIAN_FRONTEND", "noninteractive");
    let what = format!("installing the package {package}");
    let outcome = task::run(broker, &what, &mut command, &directory.join("apt.log"), LIMIT);
    // A shell that was killed at the time limit has not tidied up.
    if fs::read_to_string(POLICY).is_ok_and(|text| text.contains("by cargo xtask brokers")) {
        let _ = fs::remove_file(POLICY);
    }
    outcome
}

fn is_root() -> bool {
    native::words_of("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::{env, os::unix::fs::PermissionsExt, process};

    #[test]
    fn nothing_is_started_by_an_installation_and_no_policy_is_left() {
        let directory = env::temp_dir().join(format!("xtask-package-{}", process::id()));
        let (policy, apt) = (directory.join("policy-rc.d"), directory.join("apt-get"));
        // Fails the first time, as for a package that is not in the lists; tells who forbids what.
        let fake = format!(
            "#!/bin/sh\nd='{}'\necho \"$1 $(sh \"$d/policy-rc.d\"; echo $?)\" >> \"$d/calls\"\n\
             [ \"$1\" = update ] || grep -q update \"$d/calls\"\n",
            directory.display()
        );
        native::write(&apt, &fake).unwrap();
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

        native::write(&policy, "#!/bin/sh\nexit 0\n").unwrap();
        run();
        assert!(policy.exists(), "the machine's own policy is left alone");
        fs::remove_dir_all(directory).unwrap();
    }
}
