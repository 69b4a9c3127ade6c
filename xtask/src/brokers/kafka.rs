//! Apache Kafka from Maven Central's jars: one node, which is its own controller.

use super::{
    Place,
    broker::Broker,
    native::{self, Launch},
    task,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The same as in `docker-compose.yml`.
const VERSION: &str = "4.3.1";
const OLDEST_JAVA: u32 = 17;
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(15 * 60);
const FORMAT_LIMIT: Duration = Duration::from_secs(60);
/// Any 16 bytes in base64: here they spell `otel-messaging-1`.
const CLUSTER_ID: &str = "b3RlbC1tZXNzYWdpbmctMQ";

pub(super) fn prepare(place: &Place) -> Result<Launch, String> {
    let directory = &place.directory;
    let libraries = place.downloads.join(format!("libraries-{VERSION}"));
    let java = tools(libraries.is_dir())?;
    install(&place.downloads, &libraries)?;
    let properties = directory.join("server.properties");
    let data = directory.join("data");
    native::write(&properties, &configuration(&data, &place.state.ports)?)?;

    let class_path = libraries.join("*");
    let program = |options: &[&str], class: &str| {
        let mut command = Command::new(&java);
        command.args(options).arg("-cp").arg(&class_path).arg(class).current_dir(directory);
        command
    };
    if !data.join("meta.properties").is_file() {
        let mut format = program(&["-Xmx256m"], "kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&properties);
        let log = directory.join("format.log");
        task::run(Broker::Kafka, "formatting the data directory", &mut format, &log, FORMAT_LIMIT)?;
    }
    let options = ["-Xms256m", "-Xmx768m", "-Dorg.slf4j.simpleLogger.showDateTime=true"];
    let mut server = program(&options, "kafka.Kafka");
    server.arg(&properties);
    Ok(Launch { title: format!("Apache Kafka {VERSION}"), server, companion: None })
}

/// Downloads the jars, unless they are there. They appear under their name when they are complete.
fn install(directory: &Path, libraries: &Path) -> Result<(), String> {
    if libraries.is_dir() {
        return Ok(());
    }
    let partial = directory.join("libraries.partial");
    let _ = fs::remove_dir_all(&partial);
    native::write(&directory.join("pom.xml"), &project())?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .current_dir(directory);
    let what = format!("downloading Apache Kafka {VERSION} (45 MB) with Maven");
    task::run(Broker::Kafka, &what, &mut maven, &directory.join("maven.log"), DOWNLOAD_LIMIT)?;
    fs::rename(&partial, libraries)
        .map_err(|error| format!("{} could not be renamed: {error}", partial.display()))
}

fn project() -> String {
    format!(
        "<project>\n  <modelVersion>4.0.0</modelVersion>\n  <groupId>local</groupId>\n  \
         <artifactId>kafka</artifactId>\n  <version>1</version>\n  <dependencies>\n    \
         <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>\
         <version>{VERSION}</version></dependency>\n    \
         <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>\
         <version>1.7.36</version></dependency>\n  </dependencies>\n</project>\n"
    )
}

/// One node that is broker and controller, quick where a test would wait: no delay before a
/// group's first assignment, and a cleaner that compacts as soon as a segment is closed. A topic
/// that does not exist is an error, as in production.
fn configuration(data: &Path, ports: &[u16]) -> Result<String, String> {
    let &[port, controller] = ports else { return Err("Kafka needs two ports".into()) };
    // In a properties file a backslash escapes.
    let data = data.display().to_string().replace('\\', "/");
    Ok(format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         log.dirs={data}\n\
         offsets.topic.num.partitions=4\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         auto.create.topics.enable=false\n\
         log.cleaner.backoff.ms=500\n\
         log.cleaner.dedupe.buffer.size=16777216\n"
    ))
}

/// The Java to run. The error names everything that is missing, at once.
fn tools(is_downloaded: bool) -> Result<PathBuf, String> {
    let java = java();
    let mut causes: Vec<String> = java.as_ref().err().cloned().into_iter().collect();
    if !is_downloaded && !native::has("mvn") {
        causes.push("Apache Kafka is downloaded by Maven, and `mvn` is not in PATH".into());
    }
    if causes.is_empty() {
        return java;
    }
    Err(native::missing(
        Broker::Kafka,
        &causes.join("; "),
        &[
            (
                "Debian, Ubuntu",
                "sudo apt-get install openjdk-17-jre-headless maven (or a newer JRE)",
            ),
            ("Fedora, RHEL", "sudo dnf install java-21-openjdk-headless maven"),
            ("macOS", "brew install openjdk maven"),
        ],
    ))
}

/// The one of `JAVA_HOME`, else the one in `PATH`.
fn java() -> Result<PathBuf, String> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java"));
    let java = home.filter(|java| java.is_file()).unwrap_or_else(|| "java".into());
    let found = native::words_of(&java, &["-version"]);
    let cause = match found.as_deref().map(version) {
        Some(Some(version)) if version >= OLDEST_JAVA => return Ok(java),
        Some(Some(version)) => format!("and this is {version}"),
        Some(None) => "and this one does not say what it is".into(),
        None => "and `java` is not in PATH or does not start".into(),
    };
    Err(format!("Apache Kafka needs Java {OLDEST_JAVA} or newer, {cause}"))
}

/// `openjdk version "17.0.15" 2025-04-15`; before Java 9: `java version "1.8.0_402"`
fn version(words: &str) -> Option<u32> {
    let quoted = words.split('"').nth(1)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        version => Some(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_java_are_read() {
        assert_eq!(version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK"), Some(17));
        assert_eq!(version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(version("openjdk version \"24-ea\" 2025-03-18"), Some(24));
        assert_eq!(version("java version \"1.8.0_402\""), Some(8));
        assert_eq!(version("No Java runtime present"), None);
    }

    #[test]
    fn everything_listens_on_loopback() {
        let text = configuration(Path::new("/w s/data"), &[9092, 19092]).unwrap();
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
