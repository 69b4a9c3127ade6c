//! The page in a real browser, as a person uses it.

#![allow(clippy::unwrap_used, reason = "clippy spares test functions only, not what they call")]
#![allow(clippy::expect_used, reason = "likewise")]

mod browser;
mod fixture;

use std::{env, fs, path::PathBuf};

use fantoccini::key::Key;
use otel_messaging_view::{Spans, opentelemetry_proto::tonic::trace::v1::span::SpanKind};

use self::{
    browser::{Window, browse, browse_in},
    fixture::{HOSTILE, exported, hostile, link, orders, span},
};

/// Returns the id of a span of a fixture, as addresses have it.
fn id(number: u64) -> String {
    format!("{:016x}", number | 0xabc << 52)
}

fn keys(keys: &[Key]) -> String {
    keys.iter().map(|key| char::from(*key)).collect()
}

#[tokio::test]
async fn a_link_is_followed_forth_and_back_by_click() {
    browse(orders(4), async |page| {
        page.open(&format!("#span={}", id(12))).await;
        assert_eq!(page.shown().await, "send orders of shop");
        // The effects of sending: it was processed and committed.
        page.click("#effects a").await;
        assert_eq!(page.shown().await, "process orders of billing");
        assert_eq!(page.text("location.hash").await, format!("#span={}", id(13)));
        page.click("#causes a").await;
        assert_eq!(page.shown().await, "send orders of shop");
        page.click("#back").await;
        page.wait(&format!("location.hash === '#span={}'", id(13))).await;
        assert_eq!(page.shown().await, "process orders of billing");
        let back = "document.querySelector('#back').textContent";
        assert_eq!(page.text(back).await, "← Back to send orders");
        // The browser's own way back.
        page.client.back().await.unwrap();
        page.wait("document.querySelector('#back') === null").await;
        assert_eq!(page.shown().await, "send orders of shop");
        // A chip in a row leads to the same place.
        page.click("#rows .row[aria-selected=true] a.chip").await;
        assert_eq!(page.shown().await, "process orders of billing");
    })
    .await;
}

#[tokio::test]
async fn a_link_is_followed_forth_and_back_by_keyboard_alone() {
    browse(orders(4), async |page| {
        // The first thing that Tab comes to skips what is above the spans.
        page.press(&keys(&[Key::Tab])).await;
        page.press(&keys(&[Key::Enter])).await;
        page.press(&keys(&[Key::Down])).await;
        assert_eq!(page.shown().await, "POST /orders of shop");
        page.press(&keys(&[Key::Left])).await;
        page.press(&keys(&[Key::Down])).await;
        assert!(page.row().await.contains("POST /orders"), "the first one is closed");
        page.press(&keys(&[Key::Up])).await;
        page.press(&keys(&[Key::Right])).await;
        page.press(&keys(&[Key::Right])).await;
        assert_eq!(page.shown().await, "send orders of shop");
        // Two effects: the focus goes to their list.
        page.press("e").await;
        assert_eq!(page.text("document.activeElement.closest('section').id").await, "effects");
        page.press(&keys(&[Key::Enter])).await;
        assert_eq!(page.shown().await, "process orders of billing");
        assert!(page.row().await.starts_with("▾ CON process orders billing"));
        page.press("c").await;
        assert_eq!(page.shown().await, "send orders of shop");
        page.press("b").await;
        page.wait(&format!("location.hash === '#span={}'", id(13))).await;
        // Down to the message that it sent, and on to the batch.
        page.press(&keys(&[Key::Down])).await;
        assert_eq!(page.shown().await, "send invoices of billing");
        page.press("e").await;
        assert_eq!(page.shown().await, "process invoices of ledger");
        page.press(&keys(&[Key::Home])).await;
        assert_eq!(page.shown().await, "POST /orders of shop");
        page.press(&keys(&[Key::Enter])).await;
        assert_eq!(page.text("document.activeElement.closest('aside').id").await, "details");
        page.press(&keys(&[Key::Escape])).await;
        assert_eq!(page.text("document.activeElement.getAttribute('role')").await, "treegrid");
        page.press("/").await;
        assert_eq!(page.text("document.activeElement.id").await, "query");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_held_down_goes_on() {
    browse(orders(60), async |page| {
        page.press(&keys(&[Key::Tab])).await;
        page.press(&keys(&[Key::Enter])).await;
        // More changes of the address than browsers allow in a moment.
        page.press(&keys(&[Key::Down; 280])).await;
        let active = "document.querySelector('#rows [aria-selected=true]').dataset.at";
        assert_eq!(page.text(active).await, "279");
        page.wait("location.hash.startsWith('#span=')").await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_of_ten_thousand_opens_into_its_messages() {
    browse(orders(10_001), async |page| {
        page.open(&format!("#span={}", id(9))).await;
        assert_eq!(page.shown().await, "process invoices of ledger");
        page.press(&keys(&[Key::Tab])).await;
        page.press(&keys(&[Key::Enter])).await;
        page.press("c").await;
        let row = page.row().await;
        assert!(
            row.starts_with("▾ 10,001 messages ⚠ 1 not in this file ↖ send invoices · billing"),
            "{row}"
        );
        page.press(&keys(&[Key::Down, Key::Right])).await;
        let row = page.row().await;
        assert!(row.starts_with("▾ 0 – 99") && row.ends_with("offset 1 … offset 100"), "{row}");
        page.press(&keys(&[Key::Down, Key::Down, Key::Down])).await;
        let row = page.row().await;
        assert!(row.starts_with("#2 offset 3 billing ↖ send invoices · billing"), "{row}");
        assert!(row.ends_with("kafka.offset=3"), "{row}");
        let drawn = page.eval("document.querySelectorAll('*').length").await;
        assert!(drawn.as_u64().unwrap() < 2500, "{drawn} elements are drawn");
        page.press(&keys(&[Key::Enter])).await;
        assert_eq!(page.shown().await, "send invoices of billing");
        assert_eq!(page.text("location.hash").await, format!("#span={}", id(34)));
        page.press("b").await;
        page.wait(&format!("location.hash === '#span={}'", id(9))).await;
        // The last link leads to a span that is not there: its ids are to copy.
        let missing = "[...document.querySelectorAll('#causes button')].find(it => \
                       it.textContent.startsWith('Show'))";
        while page.eval(&format!("{missing} && !{missing}.hidden")).await == true {
            page.client.execute(&format!("{missing}.click()"), vec![]).await.unwrap();
        }
        let ids = "document.querySelector('#causes .missing').innerText";
        let ids = page.text(ids).await;
        assert!(ids.contains("⚠ not in this file") && ids.contains(&id(7)), "{ids}");
        let copy = "document.querySelectorAll('#causes .missing button').length";
        assert_eq!(page.eval(copy).await, 2);
    })
    .await;
}

#[tokio::test]
async fn spans_are_found_by_text_service_destination_and_failure() {
    browse(orders(30), async |page| {
        let summary = "document.querySelector('#summary').textContent";
        let found = async |count: &str| {
            page.wait(&format!("{summary}.startsWith('{count} of 150 spans')")).await;
        };
        // Names, ids, attributes, status messages, services.
        page.press("/").await;
        for (query, count) in
            [("CARD was", "1"), (&id(53), "1"), ("POST", "30"), ("ledger", "1"), ("no such", "0")]
        {
            page.find("#query").await.clear().await.unwrap();
            page.find("#query").await.send_keys(query).await.unwrap();
            found(count).await;
        }
        page.click("#clear").await;
        page.wait(&format!("{summary}.startsWith('150 spans')")).await;

        page.find("#service").await.select_by_value("billing").await.unwrap();
        found("89").await;
        page.click("#failed").await;
        found("1").await;
        assert_eq!(page.text("location.hash").await, "#service=billing&failed=1");
        // The address is enough to see the same.
        page.open("#service=billing&failed=1").await;
        found("1").await;
        assert_eq!(page.eval("document.querySelector('#failed').checked").await, true);
        assert_eq!(page.eval("document.querySelectorAll('#rows .body .row').length").await, 1);
        page.open("#destination=kafka+invoices").await;
        found("30").await;

        // Of the traces that led to an invoice, and of those that it led to.
        page.open(&format!("#span={}", id(34))).await;
        page.click("#linked").await;
        found("6").await;
        let arrows = "document.querySelectorAll('.arrows path').length";
        assert_eq!(page.eval(arrows).await, 3);
        page.open("#span=0123456789abcdef").await;
        let said = page.text("document.querySelector('#details').textContent").await;
        assert_eq!(said, "⚠ There is no span 0123456789abcdef in this file.");
    })
    .await;
}

#[tokio::test]
async fn the_map_leads_from_an_edge_to_its_messages() {
    browse(orders(30), async |page| {
        page.click("#tab-map").await;
        let texts = "[...document.querySelectorAll('#graph .edge[aria-label]')].map(it => \
                     it.getAttribute('aria-label')).join('; ')";
        assert_eq!(
            page.text(texts).await,
            "billing → invoices: 29 messages; shop → orders: 30 messages; invoices → ledger: 30 \
             messages, median 76.2 ms, p95 115 ms; orders → billing: 30 messages · ✕ 1, median \
             7.90 ms, p95 13.3 ms"
        );
        page.click("#edges tbody tr:nth-child(4) a").await;
        assert_eq!(page.text("location.hash").await, "#view=map&edge=3");
        let head = page.text("document.querySelector('#messages h2').textContent").await;
        assert_eq!(head, "orders → billing");
        let rows = "document.querySelector('#listed .scroller').getAttribute('aria-rowcount')";
        assert_eq!(page.text(rows).await, "30");
        page.click("#listed [role=row] a:nth-child(2)").await;
        assert_eq!(page.shown().await, "process orders of billing");
        page.client.back().await.unwrap();
        page.wait("!document.querySelector('#map').hidden").await;
        // By keyboard, and with a filter.
        page.click("#failed").await;
        page.wait(&format!("{rows} === '1'")).await;
        page.find("#listed .scroller").await.send_keys(&keys(&[Key::Enter])).await.unwrap();
        assert_eq!(page.shown().await, "process orders of billing");
        assert_eq!(page.text("location.hash").await, format!("#span={}&edge=3&failed=1", id(303)));
    })
    .await;
}

#[tokio::test]
async fn hostile_text_is_shown_and_never_run() {
    browse(hostile(), async |page| {
        for hash in [format!("#span={}", id(1)), format!("#span={}", id(2)), "#view=map&edge=0".into()]
        {
            page.open(&hash).await;
            assert_eq!(page.eval("window.ran").await, serde_json::Value::Null);
            assert_eq!(page.eval("document.querySelectorAll('img').length").await, 0);
            assert_eq!(page.eval("document.scripts.length").await, 2);
        }
        page.open(&format!("#span={}", id(1))).await;
        let details = page.text("document.querySelector('#details').textContent").await;
        let shown = details.matches("<script>window.ran = 1</script>").count();
        // Name, service, scope and version, status, state, attributes, links, event, resource.
        assert!(shown >= 12, "{shown} of the fields are shown");
        assert!(details.contains(&HOSTILE[..60]));
        // A large value is not drawn before it is asked for.
        page.open(&format!("#span={}", id(2))).await;
        let length = "document.querySelector('#details').textContent.length";
        assert!(page.eval(length).await.as_u64().unwrap() < 10_000);
        page.client.execute(
            "[...document.querySelectorAll('#details button')].find(it => \
             it.textContent.startsWith('Show all')).click()",
            vec![],
        )
        .await
        .unwrap();
        assert!(page.eval(length).await.as_u64().unwrap() > 1_000_000);
        // Searching for it finds it, and a hostile address finds nothing.
        page.open("#q=%3C%2Fscript%3E").await;
        page.wait("document.querySelector('#summary').textContent.startsWith('2 of 2')").await;
        page.open("#span=%3Cimg%20src=x%20onerror=window.ran=4%3E&service=%3Cb%3E").await;
        assert_eq!(page.eval("window.ran").await, serde_json::Value::Null);

        // What gets into the page by any other way is stopped by the policy.
        let insert = "const script = document.createElement('script');
                      script.textContent = 'window.ran = 5';
                      document.body.append(script);
                      document.body.insertAdjacentHTML('beforeend', '<b onclick=\"window.ran = 6\">');
                      document.body.lastElementChild.click();
                      return window.ran ?? 'nothing ran'";
        assert_eq!(page.client.execute(insert, vec![]).await.unwrap(), "nothing ran");
        let fetch = "fetch('http://127.0.0.1:9').then(() => 'sent', it => it.constructor.name)\
                     .then(arguments[0])";
        assert_eq!(page.client.execute_async(fetch, vec![]).await.unwrap(), "TypeError");
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_the_input_is_said() {
    let mut spans = Spans::new();
    let mut loops = [[1, 1, 2], [1, 2, 1], [2, 3, 0], [3, 4, 0], [4, 5, 99]]
        .map(|ids| span(ids, &format!("span {}", ids[1]), SpanKind::Internal, [5, 1], vec![]));
    loops[2].links.push(link(3, 4, vec![]));
    loops[3].links.push(link(2, 3, vec![]));
    spans.add(exported("circles", loops.to_vec()));
    spans.read("input.jsonl", &b"{\"resourceSpans\":[]}\nnonsense\n{\"resourceSpans\":[{"[..]);
    browse(spans, async |page| {
        page.click("#problems summary").await;
        let said = page.text("document.querySelector('#problems').innerText").await;
        for expected in [
            "⚠ 6 findings in the input",
            "input.jsonl is cut off in its last line, number 3",
            "input.jsonl has 1 line that is no OTLP: 2 (expected ident at column 2)",
            "input.jsonl has no spans",
            "1 span with a parent that is not in the input: span 5",
            "1 span below itself: parents in a circle, shown without a parent: span 1",
            "2 spans in circles of links: span 3 span 4",
        ] {
            assert!(said.contains(expected), "no {expected:?} in\n{said}");
        }
        page.click("#problems li:nth-child(4) a").await;
        assert_eq!(page.shown().await, "span 5 of circles");
        let details = page.text("document.querySelector('#details').innerText").await;
        assert!(details.contains("not in this file") && details.contains(&id(99)), "{details}");
        page.press("e").await;
        assert_eq!(page.eval("document.querySelectorAll('#rows .body .row').length").await, 5);
        page.open(&format!("#span={}", id(3))).await;
        page.click("#linked").await;
        page.wait("document.querySelector('#summary').textContent.startsWith('2 of 5')").await;
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_spans_open_at_once_and_scroll() {
    browse(orders(20_000), async |page| {
        let summary = page.text("document.querySelector('#summary').textContent").await;
        assert!(summary.starts_with("100,000 spans · 40,001 traces · 3 services"), "{summary}");
        // From the navigation to the first drawing, on a machine that may do other things as well.
        let milliseconds = page.eval("performance.getEntriesByName('drawn')[0].startTime").await;
        println!("100,000 spans were drawn after {milliseconds:.0} ms");
        assert!(milliseconds.as_f64().unwrap() < 10_000.0, "{milliseconds} ms");

        let drawn = "document.querySelectorAll('*').length";
        assert!(page.eval(drawn).await.as_u64().unwrap() < 2500);
        page.press(&keys(&[Key::Tab, Key::Enter, Key::End])).await;
        page.press(&keys(&[Key::End])).await;
        assert_eq!(page.shown().await, "process invoices of ledger");
        // Each step of a long scroll draws what is visible, and no more.
        let scroll = "const done = arguments[0], rows = document.querySelector('#rows .scroller');
            let steps = 0, most = 0;
            (function step() {
                // At last in small steps, which keep most rows.
                rows.scrollTop = steps < 50 ? rows.scrollHeight * (50 - steps) / 50 : (60 - steps) * 40;
                most = Math.max(most, document.querySelectorAll('#rows .row').length);
                if (steps++ < 60) requestAnimationFrame(step);
                else done([most, [...document.querySelectorAll('#rows .body .row')]
                    .every((row, at, all) => at === 0 || row.ariaRowIndex - all[at - 1].ariaRowIndex === 1)]);
            })()";
        let scrolled = page.client.execute_async(scroll, vec![]).await.unwrap();
        assert!(scrolled[0].as_u64().unwrap() < 80, "{scrolled}");
        assert_eq!(scrolled[1], true, "the rows are not in their order");
        page.wait("document.querySelector('#rows-0')?.innerText.includes('POST /orders')").await;
        page.press("/").await;
        page.press("declined").await;
        page.wait("document.querySelector('#summary').textContent.startsWith('1 of 100,000')")
            .await;
    })
    .await;
}

#[tokio::test]
async fn it_can_be_read_by_everyone() {
    // The contrast of text, as WCAG computes it.
    const CONTRAST: &str = "(() => {
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const light = (colour) => {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((it) => {
                const share = it / 255;
                return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const back = light(getComputedStyle(document.body).backgroundColor);
        const all = document.querySelectorAll('#rows .name, #rows .chip, #summary, .warn, #details th, .head *');
        return Math.min(...[...all].map((it) => {
            const own = light(getComputedStyle(it).color);
            return (Math.max(own, back) + 0.05) / (Math.min(own, back) + 0.05);
        }));
    })()";
    let mut backgrounds = Vec::new();
    for is_dark in [false, true] {
        let window = Window { is_dark, ..Window::default() };
        browse_in(window, orders(4), async |page| {
            page.open(&format!("#span={}", id(9))).await;
            let contrast = page.eval(CONTRAST).await;
            assert!(contrast.as_f64().unwrap() >= 4.5, "the contrast is {contrast}");
            // Everything that has the focus has a name, and is seen to have it.
            let unnamed = "[...document.querySelectorAll('a, button, input, select, summary, [tabindex]')]\
                .filter(it => !(it.innerText || it.ariaLabel || it.labels?.length || it.textContent.trim()))\
                .map(it => it.outerHTML).join()";
            assert_eq!(page.text(unnamed).await, "");
            let rows = page.find("#rows .scroller").await;
            assert_eq!(rows.attr("aria-rowcount").await.unwrap().unwrap(), "22");
            let roles = "[...document.querySelectorAll('#rows .body .row')].every(it => it.role === 'row' \
                && it.ariaLevel && it.ariaRowIndex && it.querySelectorAll('[role=gridcell]').length === 5)";
            assert_eq!(page.eval(roles).await, true);
            let kinds = page.text("document.querySelector('#rows .failed').innerText").await;
            assert!(kinds.contains('✕') && kinds.contains("CON"), "{kinds}");
            let label = "document.querySelector('#rows .failed .cross').ariaLabel";
            assert_eq!(page.text(label).await, "failed");
            // Paper has no scroll bar.
            let printed = "dispatchEvent(new Event('beforeprint'));
                return document.querySelectorAll('#rows .body .row').length";
            assert_eq!(page.client.execute(printed, vec![]).await.unwrap(), 21);
            let background = page.text("getComputedStyle(document.body).backgroundColor").await;
            backgrounds.push(background);
        })
        .await;
    }
    assert_ne!(backgrounds[0], backgrounds[1]);
}

/// The pictures of README.md and docs, which `cargo xtask pictures` writes where this variable says.
const PICTURES: &str = "OTEL_MESSAGING_PICTURES";

#[tokio::test]
async fn pictures_are_light_and_dark() {
    let elsewhere = tempfile::tempdir().unwrap();
    let directory = env::var_os(PICTURES).map_or(elsewhere.path().into(), PathBuf::from);
    for (theme, is_dark) in [("light", false), ("dark", true)] {
        let window = Window { width: 1280, height: 700, is_dark };
        browse_in(window, orders(40), async |page| {
            let scenes = [
                ("links", format!("#span={0}&linked={0}", id(44))),
                ("batch", format!("#span={}", id(9))),
                ("map", "#view=map&edge=3".into()),
            ];
            for (scene, hash) in scenes {
                page.open(&hash).await;
                if scene == "batch" {
                    page.click("#rows .row[aria-selected=true] .chip").await;
                }
                let picture = page.picture().await;
                // A picture with nothing on it is much smaller.
                assert!(picture.len() > 15_000, "{scene}: {} bytes", picture.len());
                fs::write(directory.join(format!("view-{scene}-{theme}.webp")), picture).unwrap();
            }
        })
        .await;
    }
}
