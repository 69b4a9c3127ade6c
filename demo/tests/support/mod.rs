//! Runs a program as a person does, and looks at what it prints and at its exit status.

use std::{
    env,
    process::{Command, Output},
};

pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program in an environment that says nothing about telemetry but what is given here.
pub(crate) fn run(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Run {
    Run::new(command(program, args, variables).output().unwrap())
}

pub(crate) fn command(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.args(args).envs(variables.iter().copied());
    command
}

impl Run {
    pub(crate) fn new(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Asserts the exit status and the last line of standard output.
    #[track_caller]
    pub(crate) fn ends_with(&self, status: i32, closing: &str) -> &Self {
        let last = self.stdout.lines().last().unwrap_or_default();
        let Self { stdout, stderr, .. } = self;
        assert_eq!((self.status, last), (Some(status), closing), "\n{stdout}\n{stderr}");
        self
    }

    /// Asserts that there is such a line on standard output. `*` is any text.
    #[track_caller]
    pub(crate) fn shows(&self, expected: &str) -> &Self {
        let is_like = |line: &str| {
            let mut parts = expected.split('*');
            parts.try_fold(line, |rest, part| Some(rest.split_once(part)?.1)).is_some()
        };
        assert!(self.stdout.lines().any(is_like), "no {expected:?} in\n{}", self.stdout);
        self
    }

    /// Asserts that standard error contains this.
    #[track_caller]
    pub(crate) fn reports(&self, expected: &str) -> &Self {
        assert!(self.stderr.contains(expected), "no {expected:?} in\n{}", self.stderr);
        self
    }
}
