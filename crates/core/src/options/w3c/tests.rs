use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parsed(text: &str) -> Option<SpanContext> {
    parse_span_context(text.as_bytes(), None)
}

fn valid() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

#[test]
fn a_written_traceparent_reads_back() {
    for flags in [TraceFlags::SAMPLED, TraceFlags::NOT_SAMPLED] {
        let span_context = SpanContext::new(
            TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
            SpanId::from(0xb7ad_6b71_6920_3331),
            flags,
            true,
            TraceState::NONE,
        );
        let text = Traceparent::of(&span_context);
        assert_eq!(text.as_str(), format!("00-{TRACE}-{SPAN}-{:02x}", flags.to_u8()));
        assert_eq!(parsed(text.as_str()), Some(span_context));
    }
}

/// The cases of the W3C test suite (trace-context/test/test.py) that concern `traceparent`.
#[test]
fn malformed_traceparents_are_refused() {
    for (text, why) in [
        (String::new(), "empty"),
        (format!("0-{TRACE}-{SPAN}-01"), "one-digit version"),
        (format!("000-{TRACE}-{SPAN}-01"), "three-digit version"),
        (format!("ff-{TRACE}-{SPAN}-01"), "forbidden version"),
        (format!("FF-{TRACE}-{SPAN}-01"), "forbidden version in upper case"),
        (format!(".0-{TRACE}-{SPAN}-01"), "version with an illegal character"),
        (format!("0A-{TRACE}-{SPAN}-01"), "upper-case version"),
        (format!("00-{TRACE}-{SPAN}-01-"), "trailing dash on version 00"),
        (format!("00-{TRACE}-{SPAN}-01-what-the-future"), "more fields on version 00"),
        (format!("01-{TRACE}-{SPAN}-01what"), "future version without a dash before more"),
        (format!("00-{}-{SPAN}-01", "0".repeat(32)), "all-zero trace id"),
        (format!("00-{TRACE}-{}-01", "0".repeat(16)), "all-zero span id"),
        (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), "upper-case trace id"),
        (format!("00-{TRACE}-{}-01", SPAN.to_uppercase()), "upper-case span id"),
        (format!("00-.{}-{SPAN}-01", &TRACE[1..]), "trace id with an illegal character"),
        (format!("00-{TRACE}-.{}-01", &SPAN[1..]), "span id with an illegal character"),
        (format!("00-+{}-{SPAN}-01", &TRACE[1..]), "trace id with a sign"),
        (format!("00-{}-{SPAN}-01", &TRACE[1..]), "short trace id"),
        (format!("00-{TRACE}0-{SPAN}-01"), "long trace id"),
        (format!("00-{TRACE}-{}-01", &SPAN[1..]), "short span id"),
        (format!("00-{TRACE}-{SPAN}0-01"), "long span id"),
        (format!("00-{TRACE}-{SPAN}-1"), "one-digit flags"),
        (format!("00-{TRACE}-{SPAN}-001"), "three-digit flags"),
        (format!("00-{TRACE}-{SPAN}-.0"), "flags with an illegal character"),
        (format!("00-{TRACE}-{SPAN}-0A"), "upper-case flags"),
        (format!("00-{TRACE}-{SPAN}"), "no flags"),
        (format!("00-{TRACE}_{SPAN}-01"), "wrong separator"),
        (format!("{}é", valid()), "trailing bytes"),
    ] {
        assert_eq!(parsed(&text), None, "{why}: {text}");
    }
    assert_eq!(parse_span_context(&[0xff; 55], None), None, "no text at all");
    let future = [format!("01-{TRACE}-{SPAN}-01-").as_bytes(), b"\xff"].concat();
    assert_eq!(parse_span_context(&future, None), None, "more fields that are no text");
}

#[test]
fn well_formed_traceparents_are_read() {
    for (text, sampled) in [
        (valid(), true),
        (format!("00-{TRACE}-{SPAN}-00"), false),
        (format!("00-{TRACE}-{SPAN}-03"), true),
        (format!("00-{TRACE}-{SPAN}-fe"), false),
        (format!("cc-{TRACE}-{SPAN}-01"), true),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), true),
        (format!("01-{TRACE}-{SPAN}-09-"), true),
        (format!(" \t{}\t ", valid()), true),
    ] {
        let span_context = parsed(&text).unwrap_or_else(|| panic!("not read: {text}"));
        assert_eq!(span_context.trace_id().to_string(), TRACE);
        assert_eq!(span_context.span_id().to_string(), SPAN);
        assert_eq!(span_context.is_sampled(), sampled, "{text}");
        // Unknown flags are not passed on: OpenTelemetry for Go before 1.42 refuses values over 02.
        assert!(span_context.trace_flags().to_u8() <= 1);
        assert!(span_context.is_remote());
    }
}

#[test]
fn tracestate_keeps_its_limits() {
    let members = |n: usize| (0..n).map(|i| format!("k{i}={i}")).collect::<Vec<_>>().join(",");
    let header = |text: &str| parse_tracestate(text.as_bytes()).map(|state| state.header());
    assert_eq!(header("foo=1,bar=2"), Some("foo=1,bar=2".into()));
    assert_eq!(header(" foo=1 \t,\t bar=2 "), Some("foo=1,bar=2".into()), "white space");
    assert_eq!(header("foo=1,,bar=2,"), Some("foo=1,bar=2".into()), "empty members");
    assert_eq!(header(""), Some(String::new()));
    assert_eq!(header(&members(32)), Some(members(32)));
    assert_eq!(header(&members(33)), None, "33 members");
    assert_eq!(header("foo@bar=1"), Some("foo@bar=1".into()));
    for bad in ["foo", "foo=", "=1", "foo =1", "Foo=1", "foo@=1", "@foo=1", "foo=1=2", "foo=\u{7f}"]
    {
        assert_eq!(header(bad), None, "{bad}");
    }
    assert_eq!(header(&format!("{}=1", "z".repeat(256))), Some(format!("{}=1", "z".repeat(256))));
    assert_eq!(header(&format!("{}=1", "z".repeat(257))), None, "long key");
    assert_eq!(header(&format!("z={}", "z".repeat(257))), None, "long value");
    assert_eq!(parse_tracestate(&[0xff, b'=', b'1']), None, "not text");
    assert_eq!(parse_tracestate(&vec![b'a'; 1 << 20]), None, "a megabyte");
}

#[test]
fn a_bad_tracestate_leaves_the_traceparent() {
    let span_context = parse_span_context(valid().as_bytes(), Some(b"not=a=list")).unwrap();
    assert_eq!(span_context.trace_state(), &TraceState::NONE);
    let span_context = parse_span_context(valid().as_bytes(), Some(b"a=1")).unwrap();
    assert_eq!(span_context.trace_state().header(), "a=1");
}

#[test]
fn baggage_reads_back() {
    let mut baggage = Baggage::new();
    baggage.insert_with_metadata("user", "Ada, \"the first\"; 100% =ü", "ttl=3;private");
    baggage.insert("plain", "value");
    let text = write_baggage(&baggage);
    assert!(text.contains("user=Ada%2C%20%22the%20first%22%3B%20100%25%20%3D%C3%BC;ttl=3;private"));
    let read = parse_baggage(text.as_bytes()).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read.get("user").unwrap().as_str(), "Ada, \"the first\"; 100% =ü");
    assert_eq!(read.get_with_metadata("user").unwrap().1.as_str(), "ttl=3;private");
}

/// What was encoded when it was read is encoded again: a comma would add a member.
#[test]
fn written_baggage_has_the_members_that_were_read() {
    for text in ["a=%20b%5C;note=%22x%2C%20admin=yes%22", "a=1;;b=%25"] {
        let read = parse_baggage(text.as_bytes()).unwrap();
        assert_eq!(read.len(), 1, "{text}");
        assert_eq!(write_baggage(&read), text);
    }
}

#[test]
fn hostile_baggage_is_bounded() {
    assert!(parse_baggage(&vec![b'a'; 8193]).is_none(), "too long");
    assert!(parse_baggage(b"").is_none());
    assert!(parse_baggage(b"no-value,;;;,=").is_none());
    assert!(parse_baggage(&[0xff, 0xfe]).is_none(), "not text");
    assert!(parse_baggage(b"a=%ff").is_none(), "decodes to no text");
    let read = parse_baggage(b"a=%zz%4,b=1").unwrap();
    assert_eq!(read.get("a").unwrap().as_str(), "%zz%4", "lone percent signs are kept");
    let many = (0..100).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(parse_baggage(many.as_bytes()).unwrap().len(), 64);
}

#[test]
fn every_byte_is_read_as_the_digit_it_is_or_refused() {
    for byte in 0..=u8::MAX {
        let value = match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        for position in [0, 1, 31, 32, 46, 47] {
            let mut digits = [b'0'; 48];
            digits[position] = byte;
            let mut expected = [0; 24];
            let high = position % 2 == 0;
            expected[position / 2] = value.map_or(0, |value| if high { value << 4 } else { value });
            assert_eq!(read_hex(&digits), value.map(|_| expected), "{byte} at {position}");
        }
        assert_eq!(read_byte([byte, b'0']), value.map(|value| value << 4), "{byte}");
        assert_eq!(read_byte([b'0', byte]), value, "{byte}");
        let bytes = [byte; 32];
        assert_eq!(str::from_utf8(&hex(bytes)), Ok(format!("{byte:02x}").repeat(32).as_str()));
    }
}
