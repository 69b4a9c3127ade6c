//! `otel-messaging-view`: draws finished spans as one HTML file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use otel_messaging_view::{Spans, Traces};

fn main() -> ExitCode {
    match run(&command().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "otel-messaging-view: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let files = Arg::new("FILE")
        .required(true)
        .action(ArgAction::Append)
        .value_parser(value_parser!(PathBuf))
        .help("OTLP JSON, a document a line or a single one, or OTLP protobuf; also gzip; `-` is stdin");
    let output = Arg::new("output")
        .short('o')
        .long("output")
        .value_name("OUT.html")
        .value_parser(value_parser!(PathBuf))
        .help("Write the page to this file; without it, the traces are printed as text");
    let title = Arg::new("title").long("title").value_name("TEXT").help("The title of the page");
    Command::new("otel-messaging-view")
        .about("Draws finished OpenTelemetry spans and the links between them as one HTML file")
        .version(env!("CARGO_PKG_VERSION"))
        .args([files, output, title])
        .after_help(
            "What is wrong with the input is reported, and the page is written all the same.\n\n\
             Exit status: 0 if there are spans; 1 if there are none, if a file cannot be read, or \
             if the page cannot be written; 2 if an option is wrong.",
        )
}

fn run(matches: &ArgMatches) -> Result<(), String> {
    let files: Vec<&PathBuf> = matches.get_many("FILE").into_iter().flatten().collect();
    let mut spans = Spans::new();
    for path in &files {
        let name = path.display().to_string();
        if name == "-" {
            spans.read("stdin", io::stdin());
        } else {
            let file = File::open(path).map_err(|error| format!("cannot read {name}: {error}"))?;
            spans.read(&name, file);
        }
    }
    let traces = Traces::new(spans);
    let mut stderr = io::stderr();
    for problem in &traces.problems {
        let _ = writeln!(stderr, "{}", problem.text);
    }
    let names: Vec<String> = files.iter().map(|it| it.display().to_string()).collect();
    let title = matches.get_one::<String>("title").cloned().unwrap_or(names.join(", "));
    let Some(output) = matches.get_one::<PathBuf>("output") else {
        // It is no error if nobody reads it (`| head`).
        let _ = io::stdout().write_all(traces.text().as_bytes());
        return found(&traces);
    };
    fs::write(output, traces.html(&title))
        .map_err(|error| format!("cannot write {}: {error}", output.display()))?;
    let _ = writeln!(stderr, "{} spans are in {}", traces.spans.len(), output.display());
    found(&traces)
}

fn found(traces: &Traces) -> Result<(), String> {
    if traces.spans.is_empty() { Err("there are no spans".into()) } else { Ok(()) }
}
