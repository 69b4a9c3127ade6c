use opentelemetry::trace::SpanKind;
use otel_messaging_outbox::{night::book, outbox};
use otel_messaging_testing::{
    attributes::any,
    spans::{ExpectedSpan, remote, span},
};

use crate::support::{Shop, count, request};

/// The span of a night with so many rows, without its links.
fn process(rows: i64) -> ExpectedSpan {
    span("process outbox").kind(SpanKind::Consumer).attributes([
        ("messaging.system", "outbox".into()),
        ("messaging.operation.name", "process".into()),
        ("messaging.operation.type", "process".into()),
        ("messaging.destination.name", "outbox".into()),
        ("messaging.batch.message_count", rows.into()),
    ])
}

/// The link to the request behind a row.
fn linked(process: ExpectedSpan, row: i64, item: &str) -> ExpectedSpan {
    process.link_with(remote(format!("POST {item}")), [("outbox.row.id", row.into())])
}

/// The database is closed and opened in between: only the file remembers.
#[test]
fn the_night_links_to_every_request_of_the_day() {
    let shop = Shop::new();
    for item in ["pears", "figs", "melons"] {
        shop.request(item).unwrap();
    }
    assert_eq!(book(&mut shop.database(), &shop.instrumentation).unwrap(), 3);
    let mut night = process(3).links_in_order();
    for (row, item) in [(1, "pears"), (2, "figs"), (3, "melons")] {
        night = linked(night, row, item);
    }
    let expected = [request("pears"), request("figs"), request("melons"), night];
    shop.telemetry.assert_spans(expected);

    shop.telemetry.clear();
    shop.request("plums").unwrap();
    assert_eq!(book(&mut shop.database(), &shop.instrumentation).unwrap(), 1);
    shop.telemetry.assert_spans([request("plums"), linked(process(1), 4, "plums")]);

    shop.telemetry.clear();
    assert_eq!(book(&mut shop.database(), &shop.instrumentation).unwrap(), 0);
    shop.telemetry.assert_spans([]);
}

#[test]
fn a_row_whose_context_is_missing_or_broken_is_booked_without_a_link() {
    let shop = Shop::new();
    let database = shop.database();
    let broken = [
        "NULL",
        "''",
        "'no JSON'",
        "'[]'",
        "'{}'",
        r#"'{"traceparent": 7}'"#,
        r#"'{"traceparent": "00-x"}'"#,
        r#"'{"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}'"#,
        "x'ff00'",
        "7",
    ];
    for context in broken {
        let insert = format!("INSERT INTO outbox (payload, context) VALUES ('figs', {context})");
        database.execute_batch(&insert).unwrap();
    }
    shop.request("pears").unwrap();
    assert_eq!(book(&mut shop.database(), &shop.instrumentation).unwrap(), 11);
    shop.telemetry.assert_spans([request("pears"), linked(process(11), 11, "pears")]);
    assert_eq!(count(&database, "outbox WHERE NOT booked"), 0);
}

#[test]
fn a_night_that_fails_is_made_up_for() {
    let shop = Shop::new();
    shop.request("pears").unwrap();
    shop.request("figs").unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF booked ON outbox WHEN new.id = 2
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    let mut database = shop.database();
    database.execute_batch(refuse).unwrap();
    assert!(book(&mut database, &shop.instrumentation).is_err());
    assert_eq!(outbox::unbooked(&database).unwrap().len(), 2, "all or nothing");
    let night = || linked(linked(process(2), 1, "pears"), 2, "figs");
    let failed = night().error(any(), Some(""));
    shop.telemetry.assert_spans([request("pears"), request("figs"), failed]);

    database.execute_batch("DROP TRIGGER refuse").unwrap();
    assert_eq!(book(&mut database, &shop.instrumentation).unwrap(), 2);
    let spans = shop.telemetry.spans();
    assert_eq!(spans[3].links.links.len(), 2);
    assert_eq!(spans[3].links.links, spans[2].links.links, "the same causes");
}
