//! What is drawn, to the letter.

use super::{
    Exported, Forest,
    by_hand::{overflow, process, send, span},
    draw,
};
use opentelemetry::trace::SpanKind;

#[track_caller]
fn assert_drawn(spans: &[Exported], expected: &str) {
    let drawn = draw(&Forest::new(spans));
    assert!(drawn == expected, "drawn:\n{drawn}\nexpected:\n{expected}");
}

#[test]
fn children_and_links_hang_below_their_span() {
    let request = span("shop", SpanKind::Server, "POST /orders", 1);
    let forward = span("billing", SpanKind::Producer, "send invoices", 5);
    let commit = span("billing", SpanKind::Client, "commit orders", 6).failed("no\ngroup");
    let spans = [
        request,
        send(2).below(1),
        send(3),
        process(4, &[3]),
        forward.below(4).linked(3),
        commit.below(4),
    ];
    assert_drawn(
        &spans,
        "\
span              kind      service    took  id

POST /orders      SERVER    shop     1.5 ms  00000001
└─ send orders    PRODUCER  shop     1.5 ms  00000002

send orders       PRODUCER  shop     1.5 ms  00000003

process orders    CONSUMER  billing  1.5 ms  00000004
│  → send orders (shop) 00000003
├─ send invoices  PRODUCER  billing  1.5 ms  00000005
│     → send orders (shop) 00000003
└─ commit orders  CLIENT    billing  1.5 ms  00000006
      failed: no\\ngroup
",
    );
}

#[test]
fn trees_of_one_shape_are_shown_three_times() {
    let spans: Vec<_> = (1..=9).map(send).chain((10..=14).map(|id| process(id, &[1]))).collect();
    assert_drawn(
        &spans,
        "\
span            kind      service    took  id

send orders     PRODUCER  shop     1.5 ms  00000001
send orders     PRODUCER  shop     1.5 ms  00000002
send orders     PRODUCER  shop     1.5 ms  00000003
... and 6 more like it (1.5 ms to 1.5 ms)

process orders  CONSUMER  billing  1.5 ms  0000000a
   → send orders (shop) 00000001
process orders  CONSUMER  billing  1.5 ms  0000000b
   → send orders (shop) 00000001
process orders  CONSUMER  billing  1.5 ms  0000000c
   → send orders (shop) 00000001
... and 2 more like it (1.5 ms to 1.5 ms)
",
    );
}

#[test]
fn the_last_of_many_children_is_the_last_branch() {
    let ack = |id| span("mailer", SpanKind::Client, "ack", id).below(1);
    assert_drawn(
        &[process(1, &[]), ack(2), ack(3), ack(4)],
        "\
span            kind      service    took  id

process orders  CONSUMER  billing  1.5 ms  00000001
├─ ack          CLIENT    mailer   1.5 ms  00000002
├─ ack          CLIENT    mailer   1.5 ms  00000003
└─ ack          CLIENT    mailer   1.5 ms  00000004
",
    );
    assert_drawn(
        &[process(1, &[]), ack(2), ack(3), ack(4), ack(5)],
        "\
span            kind      service    took  id

process orders  CONSUMER  billing  1.5 ms  00000001
├─ ack          CLIENT    mailer   1.5 ms  00000002
├─ ack          CLIENT    mailer   1.5 ms  00000003
├─ ack          CLIENT    mailer   1.5 ms  00000004
└─ ... and 1 more like it (1.5 ms to 1.5 ms)
",
    );
}

#[test]
fn the_links_of_a_batch_are_counted_and_some_are_drawn() {
    let messages: Vec<_> = (1..=5).map(send).collect();
    let batch = [process(6, &[1, 2]), overflow(7, 6, &[3, 4]), overflow(8, 6, &[5])];
    assert_drawn(
        &[messages, batch.into()].concat(),
        "\
span            kind      service    took  id

send orders     PRODUCER  shop     1.5 ms  00000001
send orders     PRODUCER  shop     1.5 ms  00000002
send orders     PRODUCER  shop     1.5 ms  00000003
... and 2 more like it (1.5 ms to 1.5 ms)

process orders  CONSUMER  billing  1.5 ms  00000006
│  5 links (2 on the span, 3 on its children) → send orders (shop) 00000001, 00000002, 00000003 ... and 2 more
├─ links        INTERNAL  billing  1.5 ms  00000007
│     2 of the links above
└─ links        INTERNAL  billing  1.5 ms  00000008
      1 of the links above
",
    );
}

#[test]
fn links_to_different_spans_are_told_apart() {
    let request = span("shop", SpanKind::Server, "POST /orders", 2);
    assert_drawn(
        &[send(1), request, process(3, &[1, 2, 99, 1])],
        "\
span            kind      service    took  id

send orders     PRODUCER  shop     1.5 ms  00000001

POST /orders    SERVER    shop     1.5 ms  00000002

process orders  CONSUMER  billing  1.5 ms  00000003
   → a span that was not exported: 00000063
   → POST /orders (shop) 00000002
   2 links → send orders (shop) 00000001, 00000001
",
    );
}

#[test]
fn a_span_whose_parent_is_not_there_is_a_root() {
    assert_drawn(
        &[send(2).below(1)],
        "\
span         kind      service    took  id

send orders  PRODUCER  shop     1.5 ms  00000002
",
    );
}
