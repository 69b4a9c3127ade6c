use otel_messaging_outbox::outbox;

use crate::support::{Shop, count, request};

#[test]
fn a_row_has_the_context_of_its_request() {
    let shop = Shop::new();
    shop.request("pears").unwrap();
    let [row] = &outbox::unsent(&shop.database()).unwrap()[..] else { panic!("one row") };
    assert_eq!((row.id, &*row.payload), (1, "pears"));
    let spans = shop.telemetry.assert_spans([request("pears")]);
    let (stored, made) = (row.creation.span_context(), &spans[0].span_context);
    assert_eq!((stored.trace_id(), stored.span_id()), (made.trace_id(), made.span_id()));
    assert!(stored.is_sampled() && stored.is_remote());
    let tenant = row.creation.baggage().and_then(|baggage| baggage.get("tenant"));
    assert_eq!(tenant.map(ToString::to_string).as_deref(), Some("north"));
}

/// An order without its row would never be sent, and a row without its order is a lie.
#[test]
fn an_order_and_its_row_are_written_together() {
    let shop = Shop::new();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON outbox
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    shop.database().execute_batch(refuse).unwrap();
    assert!(shop.request("pears").unwrap_err().to_string().contains("refused"));
    let database = shop.database();
    assert_eq!((count(&database, "orders"), count(&database, "outbox")), (0, 0));
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    shop.request("pears").unwrap();
    assert_eq!((count(&database, "orders"), count(&database, "outbox")), (1, 1));
}
