//! Runs Apache Kafka from the jars of Maven Central, as one node that is broker and controller.

use super::{
    broker::Broker,
    instance::{Instance, write},
    native::{self, Launch},
    task,
};
use crate::toolchain::is_in_path;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(super) static KAFKA: Broker = Broker {
    name: "kafka",
    variable: "OTEL_MESSAGING_KAFKA",
    example: "host:9092",
    local: "127.0.0.1:{port}",
    ports: &[9092, 19092], // clients, controller
    // Metadata version 1: length, key, version, correlation id, no client id, no topics.
    request: b"\0\0\0\x0e\0\x03\0\x01otel\xff\xff\0\0\0\0",
    check,
    prepare,
    installs: "\
Debian, Ubuntu  sudo apt-get install openjdk-17-jre-headless maven (or a newer JRE)
Fedora, RHEL    sudo dnf install java-21-openjdk-headless maven
macOS           brew install openjdk maven",
};

/// The same version as in `docker-compose.yml`.
const VERSION: &str = "4.3.1";
const OLDEST_JAVA: u32 = 17;
/// Any 16 bytes in base64; these spell `otel-messaging-1`.
const CLUSTER_ID: &str = "b3RlbC1tZXNzYWdpbmctMQ";

/// Checks the correlation id and the number of brokers. A node answers before the cluster has
/// accepted it, and a topic cannot be created before that.
fn check(answer: &[u8; 12]) -> Result<(), &'static str> {
    match (&answer[4..8], &answer[8..]) {
        (b"otel", [0, 0, 0, 0]) => Err("the cluster has no broker yet"),
        (b"otel", _) => Ok(()),
        _ => Err("it does not speak Kafka's protocol"),
    }
}

fn prepare(instance: &Instance) -> Result<Launch, String> {
    let libraries = instance.downloads.join(format!("libraries-{VERSION}"));
    let java = find_java(libraries.is_dir())?;
    if !libraries.is_dir() {
        install(&instance.downloads, &libraries)?;
    }
    let data = instance.data();
    let properties = instance.directory.join("server.properties");
    write(&properties, &configuration(&data, &instance.ports))?;
    let program = |options: &[&str], class: &str| {
        let mut command = Command::new(&java);
        command.args(options).arg("-cp").arg(libraries.join("*")).arg(class);
        command.current_dir(&instance.directory);
        command
    };
    if !data.join("meta.properties").is_file() {
        let mut format = program(&["-Xmx256m"], "kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&properties);
        let log = instance.directory.join("format.log");
        task::run(&KAFKA, "formatting the data directory", format, &log)?;
    }
    let options = ["-Xms256m", "-Xmx768m", "-Dorg.slf4j.simpleLogger.showDateTime=true"];
    let mut command = program(&options, "kafka.Kafka");
    command.arg(&properties);
    Ok(Launch { title: format!("Apache Kafka {VERSION}"), command })
}

/// Downloads the jars. The directory gets its name when they are complete.
fn install(directory: &Path, libraries: &Path) -> Result<(), String> {
    let partial = directory.join("libraries.partial");
    let _ = fs::remove_dir_all(&partial);
    let dependency = |group, artifact, version| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        )
    };
    let project = format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId>\
         <artifactId>kafka</artifactId><version>1</version>\
         <dependencies>{}{}</dependencies></project>\n",
        dependency("org.apache.kafka", "kafka_2.13", VERSION),
        dependency("org.slf4j", "slf4j-simple", "1.7.36"),
    );
    write(&directory.join("pom.xml"), &project)?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .current_dir(directory);
    let what = format!("downloading Apache Kafka {VERSION} (45 MB) with Maven");
    task::run(&KAFKA, &what, maven, &directory.join("maven.log"))?;
    fs::rename(&partial, libraries)
        .map_err(|error| format!("{} could not be renamed: {error}", partial.display()))
}

/// Returns the properties of one node. It is quick where a test would wait: a group gets its first
/// assignment at once, and the cleaner compacts a segment as soon as it is closed. As in production,
/// a topic that does not exist is an error.
fn configuration(data: &Path, ports: &[u16]) -> String {
    let (port, controller) = (ports[0], ports[1]);
    // A backslash escapes in a properties file.
    let data = data.display().to_string().replace('\\', "/");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=16777216
"
    )
}

/// Returns the Java of `JAVA_HOME`, or else of `PATH`, if the tools are there.
fn find_java(is_downloaded: bool) -> Result<PathBuf, String> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java"));
    let java = home.filter(|java| java.is_file()).unwrap_or_else(|| "java".into());
    let version = native::output_of(&java, &["-version"]).as_deref().and_then(version);
    let has_maven = is_in_path("mvn");
    if version.is_some_and(|version| version >= OLDEST_JAVA) && (is_downloaded || has_maven) {
        return Ok(java);
    }
    let found = version.map_or("no Java".into(), |version| format!("Java {version}"));
    let cause = format!(
        "Apache Kafka needs Java {OLDEST_JAVA} or newer, and Maven for the download; this machine \
         has {found} and {} `mvn`",
        if has_maven { "a" } else { "no" }
    );
    Err(native::missing(&KAFKA, &cause))
}

/// Reads the first number of `openjdk version "17.0.15" 2025-04-15`.
fn version(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    quoted.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_java_are_read() {
        assert_eq!(version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK"), Some(17));
        assert_eq!(version("openjdk version \"24-ea\" 2025-03-18"), Some(24));
        assert_eq!(version("java version \"1.8.0_402\""), Some(1));
        assert_eq!(version("No Java runtime present"), None);
    }

    #[test]
    fn every_listener_is_on_loopback() {
        let text = configuration(Path::new("/w s/data"), &[9092, 19092]);
        let listeners = "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:19092\n";
        assert!(text.contains(listeners), "{text}");
        assert!(text.contains("\nlog.dirs=/w s/data\n"), "{text}");
    }

    #[test]
    fn compose_runs_the_same_version() {
        let compose = include_str!("../../../docker-compose.yml");
        assert!(compose.contains(&format!("image: apache/kafka:{VERSION}\n")));
    }
}
