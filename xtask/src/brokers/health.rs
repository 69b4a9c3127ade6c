//! Checks whether a broker is up, and prints the line of `status`.

use super::{broker::Broker, compose, directory, instance::Instance, log, ready, task};
use std::time::Duration;

/// The time from a start to the first answer, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Succeeds if the broker that was started answers.
pub(super) fn check(instance: &Instance) -> Result<(), String> {
    if instance.has_ended() {
        return Err(format!("was killed or has crashed; its log: {}", instance.log().display()));
    }
    ready::ask(instance.broker, &instance.endpoint())
}

/// Waits until the broker that was started answers.
pub(super) fn wait_until_up(instance: &Instance) -> Result<(), String> {
    let (title, log) = (instance.title(), instance.log());
    let what = format!("waiting for {title} at {}", instance.endpoint());
    let mut last_answer = String::new();
    let waited = task::wait(instance.broker, &what, START_LIMIT, &log, || {
        match check(instance) {
            Ok(()) => return Some(Ok(())),
            Err(_) if instance.has_ended() => return Some(Err("it has ended".into())),
            Err(cause) => last_answer = cause,
        }
        None
    });
    waited.map_err(|cause| {
        let log = log::end(&log);
        format!("{title}, did not start: {cause}; last answer: {last_answer}\n{log}")
    })
}

/// Prints the broker's line and returns true if it is up.
pub(super) fn print(broker: &'static Broker, name: Option<&str>) -> bool {
    let line = line(broker, name);
    let (state, text) = line.as_ref().map_or_else(|text| ("down", text), |text| ("up", text));
    println!("{broker:<9} {state:<5} {text}");
    line.is_ok()
}

/// Describes the broker, as an error if it is not up.
pub(super) fn line(broker: &'static Broker, name: Option<&str>) -> Result<String, String> {
    let describe = |answer: Result<(), String>, text: String| match answer {
        Ok(()) => Ok(text),
        Err(cause) => Err(format!("{text}: {cause}")),
    };
    if let Some(endpoint) = broker.environment_endpoint(name)? {
        let text = format!("{}  from {}", ready::server(broker, &endpoint), broker.variable);
        return describe(ready::ask(broker, &endpoint), text);
    }
    let mut instance = Instance::load(broker, name, &directory());
    let title = if instance.started.is_some() {
        instance.title()
    } else if let Some(port) = compose::running_port(&instance) {
        // `up` would use it.
        instance.ports = vec![port];
        "a container that was started without us".into()
    } else {
        return Err(format!("not started; to start it: cargo xtask brokers up {broker}"));
    };
    describe(check(&instance), format!("{}  {title}", instance.endpoint()))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{instance::Started, kafka::KAFKA},
        *,
    };

    #[test]
    fn a_server_whose_pid_another_process_has_is_down() {
        let mut instance = Instance::load(&KAFKA, None, "/none".as_ref());
        let title = "Apache Kafka".into();
        instance.started = Some(Started::Process { pid: std::process::id(), title });
        let cause = check(&instance).unwrap_err();
        assert!(cause.ends_with("its log: /none/kafka/broker.log"), "{cause}");
    }
}
