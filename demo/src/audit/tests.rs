//! Each thing that can be missing is found.

use super::{Audit, Hop};
use crate::spans::by_hand::traces;

const SERVICES: [&str; 4] = ["shop", "stock", "billing", "ledger"];
const HOPS: [Hop; 4] = [
    Hop::new("request", "nats", ["shop", "stock"], None),
    Hop::new("reply", "nats", ["stock", "shop"], Some(0)).received(),
    Hop::new("orders", "kafka", ["shop", "billing"], None),
    Hop::new("invoices", "kafka", ["billing", "ledger"], Some(2)),
];

/// The spans of three orders. Those of the second begin with 2.
fn exported() -> String {
    let order = |n: u32| {
        format!(
            "\
{n}0 shop SERVER POST /orders
{n}1<{n}0 shop PRODUCER request nats
{n}2 stock CONSUMER process nats -> {n}1
{n}3<{n}2 stock PRODUCER publish nats
{n}4<{n}0 shop CLIENT receive nats -> {n}3
{n}5<{n}0 shop PRODUCER send kafka
{n}6 billing CONSUMER process kafka -> {n}5
{n}7<{n}6 billing PRODUCER send kafka
"
        )
    };
    let batch = "9 ledger CONSUMER process kafka -> 17\n91<9 ledger INTERNAL links -> 27 37\n";
    [order(1), order(2), order(3), batch.to_owned()].concat()
}

/// Asserts what is found where `line` is replaced by others.
#[track_caller]
fn assert_found(line: &str, by: &str, closing: &str, problems: &[&str]) {
    let exported = exported();
    assert!(exported.contains(line), "{line}");
    let traces = traces(&exported.replace(line, by));
    let audit = Audit::new(&traces, &SERVICES, &HOPS, 3);
    assert_eq!(audit.to_string().lines().last(), Some(&*format!("3 orders: {closing} missing")));
    let found = audit.problems();
    assert_eq!(found.len(), problems.len(), "{found:#?}");
    for (found, problem) in found.iter().zip(problems) {
        assert!(found.contains(problem), "{problem}: {found}");
    }
}

#[test]
fn nothing_is_missing_from_a_whole_run() {
    assert_found("", "", "9 messages sent, 9 processed, 12 links found, 0", &[]);
    let twice = "26 billing CONSUMER process kafka -> 25\n261 billing CONSUMER process kafka -> 25";
    let found = "9 messages sent, 9 processed, 13 links found, 0";
    assert_found("26 billing CONSUMER process kafka -> 25", twice, found, &[]);
}

#[test]
fn no_span_at_all_is_everything_missing() {
    let absent = SERVICES.map(|service| format!("no span of {service} came"));
    let hops = HOPS.map(|hop| format!("3 of 3 orders cannot be followed from {}", hop.from));
    let problems: Vec<&str> = absent.iter().chain(&hops).map(String::as_str).collect();
    let nothing = "0 messages sent, 0 processed, 0 links found, 12";
    assert_found(&exported(), "", nothing, &problems);
}

#[test]
fn a_message_that_cannot_be_followed_is_missing() {
    let batch = "9 ledger CONSUMER process kafka -> 17\n91<9 ledger INTERNAL links -> 27 37\n";
    for (line, by, closing, problems) in [
        // A service exported nothing.
        (
            batch,
            "",
            "9 messages sent, 6 processed, 9 links found, 3",
            &["no span of ledger came", "3 of 3 orders cannot be followed from billing to ledger"]
                [..],
        ),
        // The batch lacks a message.
        (
            " -> 27 37",
            " -> 37",
            "9 messages sent, 8 processed, 11 links found, 1",
            &[
                "from billing to ledger (invoices): 3 messages have the span that sent them, 2 a link",
            ],
        ),
        // There is no span that sent the message.
        (
            "27<26 billing PRODUCER send kafka\n",
            "",
            "8 messages sent, 8 processed, 11 links found, 2",
            &["1 of 3 orders cannot be followed from billing to ledger", "1 links lead to spans"],
        ),
        // The broker did not take the message.
        (
            "27<26 billing PRODUCER send kafka",
            "27<26 billing PRODUCER send kafka ! QueueFull",
            "8 messages sent, 8 processed, 12 links found, 1",
            &["1 of 3 orders cannot be followed from billing to ledger"],
        ),
        // The process span has no link, or one to another span.
        (
            "22 stock CONSUMER process nats -> 21",
            "22 stock CONSUMER process nats",
            "9 messages sent, 8 processed, 11 links found, 2",
            &["1 of 3 orders cannot be followed from shop to stock", "from stock to shop (reply)"],
        ),
        (
            "26 billing CONSUMER process kafka -> 25",
            "26 billing CONSUMER process kafka -> 20",
            "9 messages sent, 8 processed, 12 links found, 2",
            &["from shop to billing (orders): 3 messages", "from billing to ledger (invoices)"],
        ),
        // The message was received only.
        (
            "26 billing CONSUMER process kafka",
            "26 billing CLIENT poll kafka",
            "9 messages sent, 8 processed, 12 links found, 2",
            &["from shop to billing (orders)", "from billing to ledger (invoices)"],
        ),
        // The reply was not received.
        (
            "24<20 shop CLIENT receive nats -> 23\n",
            "",
            "9 messages sent, 9 processed, 11 links found, 1",
            &["1 of 3 orders cannot be followed from stock to shop (reply)"],
        ),
        // A second message was sent, and not processed.
        (
            "27<26 billing PRODUCER send kafka",
            "27<26 billing PRODUCER send kafka\n271<26 billing PRODUCER send kafka",
            "10 messages sent, 9 processed, 12 links found, 1",
            &["(invoices): 4 messages have the span that sent them, 3 a link to it"],
        ),
        // The messages are linked, but belong to no request.
        (
            "20 shop SERVER POST /orders\n",
            "",
            "9 messages sent, 9 processed, 12 links found, 4",
            &["(request)", "(reply)", "(orders)", "(invoices)"],
        ),
        // One order was billed twice, and another one not at all.
        (
            "26 billing CONSUMER process kafka -> 25",
            "26 billing CONSUMER process kafka -> 15",
            "9 messages sent, 8 processed, 12 links found, 2",
            &["1 of 3 orders cannot be followed from shop to billing", "(invoices)"],
        ),
    ] {
        assert_found(line, by, closing, problems);
    }
}
