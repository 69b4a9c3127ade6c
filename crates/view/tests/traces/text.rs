//! What is drawn, to the letter.

use super::by_hand::traces;

#[test]
fn trees_have_their_links_below_each_span() {
    let exported = "\
1 shop SERVER POST /orders
2<1 shop PRODUCER send orders
3<1 shop PRODUCER send orders
4<99 shop PRODUCER send without parent
5 billing CONSUMER process orders -> 2
6<5 billing PRODUCER send invoices -> 2
7<5 billing CLIENT commit orders ! no\tgroup
8 billing CONSUMER process orders -> 2 4 99 2
9 ledger CONSUMER process orders -> 2 3
10<9 ledger INTERNAL links -> 2 3
11<9 ledger CLIENT ack
12<9 ledger CLIENT ack
13<9 ledger CLIENT ack
14<9 ledger CLIENT ack
15 ledger CONSUMER process others
16 ledger CONSUMER process others
17 ledger CONSUMER process others
18 ledger CONSUMER process others
19 ledger CONSUMER process others";
    let expected = "\
span                        kind      service      took  id

POST /orders                SERVER    shop       1.5 ms  00000001
├─ send orders              PRODUCER  shop       1.5 ms  00000002
└─ send orders              PRODUCER  shop       1.5 ms  00000003

send without parent         PRODUCER  shop       1.5 ms  00000004

process orders              CONSUMER  billing    1.5 ms  00000005
│  → send orders (shop) 00000002
├─ send invoices            PRODUCER  billing    1.5 ms  00000006
│     → send orders (shop) 00000002
└─ commit orders            CLIENT    billing    1.5 ms  00000007
      failed: no\\tgroup

process orders              CONSUMER  billing    1.5 ms  00000008
   → a span that was not exported: 00000063
   2 links → send orders (shop) 00000002, 00000002
   → send without parent (shop) 00000004

process orders              CONSUMER  ledger     1.5 ms  00000009
│  4 links (2 on the span, 2 on its children) → send orders (shop) 00000002, 00000003, 00000002 ... and 1 more
├─ links                    INTERNAL  ledger     1.5 ms  0000000a
│     2 of the links above
├─ ack                      CLIENT    ledger     1.5 ms  0000000b
├─ ack                      CLIENT    ledger     1.5 ms  0000000c
├─ ack                      CLIENT    ledger     1.5 ms  0000000d
└─ ... and 1 more like it (1.5 ms to 1.5 ms)

process others              CONSUMER  ledger     1.5 ms  0000000f
process others              CONSUMER  ledger     1.5 ms  00000010
process others              CONSUMER  ledger     1.5 ms  00000011
... and 2 more like it (1.5 ms to 1.5 ms)
";
    let drawn = traces(exported).text();
    assert!(drawn == expected, "drawn:\n{drawn}\nexpected:\n{expected}");
}

#[test]
fn a_terminal_does_not_obey_names() {
    let drawn = traces("1 s\u{7}hop SERVER GET \u{1b}[31m ! \u{1b}[0m").text();
    assert!(!drawn.contains(['\u{1b}', '\u{7}']), "{drawn}");
    assert!(drawn.contains("GET \\u{1b}[31m"), "{drawn}");
}
