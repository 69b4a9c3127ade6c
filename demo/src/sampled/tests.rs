//! What counts as kept, linked and whole.

use super::Sampled;
use crate::{audit::Hop, spans::by_hand::traces};

const HOPS: [Hop; 2] = [
    Hop::new("orders", "kafka", ["shop", "billing"], None),
    Hop::new("invoices", "kafka", ["billing", "ledger"], Some(0)),
];

#[test]
fn links_and_parents_lead_to_the_request() {
    let traces = traces(
        "\
10 shop SERVER POST /orders
11<10 shop PRODUCER send kafka
12 billing CONSUMER process kafka -> 11
13<12 billing PRODUCER send kafka
14 ledger CONSUMER process kafka -> 99 13
20 shop SERVER POST /orders
32 billing CONSUMER process kafka -> 99
33<32 billing PRODUCER send kafka
34 ledger CONSUMER process kafka -> 33
44 ledger CONSUMER process kafka -> 99",
    );
    let shown = Sampled::new(&traces, "sticky:0.01", 300, &HOPS).to_string();
    assert_eq!(
        shown,
        "\
sticky:0.01: 2 of 300 requests are kept
orders        shop → billing: 2 consumers are kept, 1 with a link to a kept span, 1 in a chain to a kept request
invoices      billing → ledger: 3 consumers are kept, 2 with a link to a kept span, 1 in a chain to a kept request"
    );
}
