//! What an order is, and why a line may be none.

use std::{fmt, str};

/// Kafka takes messages of a million bytes by default; some are left for key and headers.
pub(crate) const LARGEST: usize = 999_000;

/// One order: what the shop sends, and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The line it stands on, from 1: the message key.
    pub(crate) number: u64,
    /// The line itself, `customer,amount`: the payload.
    pub(crate) line: String,
    /// What the customer pays.
    pub(crate) cents: u64,
}

impl Order {
    /// Reads `customer,amount`. The customer is any text, commas included; the amount is a positive
    /// decimal number with at most two places.
    pub(crate) fn parse(number: u64, line: &[u8]) -> Result<Self, Refusal> {
        if line.len() > LARGEST {
            return Err(Refusal::TooLarge);
        }
        let line = str::from_utf8(line).map_err(|_| Refusal::NotUtf8)?;
        if line.trim().is_empty() {
            return Err(Refusal::Blank);
        }
        let (customer, amount) = line.rsplit_once(',').ok_or(Refusal::NoComma)?;
        if customer.trim().is_empty() {
            return Err(Refusal::NoCustomer);
        }
        let cents = cents(amount.trim()).filter(|&cents| cents > 0).ok_or(Refusal::NoAmount)?;
        Ok(Self { number, line: line.to_owned(), cents })
    }

    /// An order of the demo's own.
    pub(crate) fn made_up(number: u64) -> Self {
        let customer = ["Ada", "Grace", "Edsger", "Barbara", "Tony"][(number % 5) as usize];
        let cents = 199 + number * 37 % 9_000;
        let line = format!("{customer},{}.{:02}", cents / 100, cents % 100);
        Self { number, line, cents }
    }
}

/// Why a line is not an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    Blank,
    NotUtf8,
    TooLarge,
    NoComma,
    NoCustomer,
    NoAmount,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("blank"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::TooLarge => write!(f, "larger than a Kafka message may be ({LARGEST} bytes)"),
            Self::NoComma => f.write_str("no comma between customer and amount"),
            Self::NoCustomer => f.write_str("no customer before the comma"),
            Self::NoAmount => f.write_str("no amount like 12.50 after the last comma"),
        }
    }
}

fn cents(amount: &str) -> Option<u64> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || part.len() > 2 {
        return None;
    }
    let tens = if part.len() == 1 { 10 } else { 1 };
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part.parse::<u64>().ok()? * tens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents_of(line: &[u8]) -> Result<u64, Refusal> {
        Order::parse(7, line).map(|order| order.cents)
    }

    #[test]
    fn a_customer_and_an_amount_are_an_order() {
        let order = Order { number: 7, line: "Ada,12.50".into(), cents: 1250 };
        assert_eq!(Order::parse(7, b"Ada,12.50"), Ok(order));
        assert_eq!(cents_of(b"Ada, 12 "), Ok(1200));
        assert_eq!(cents_of(b"Ada,0.5"), Ok(50));
        assert_eq!(cents_of("Zoë, Berlin,3.07".as_bytes()), Ok(307));
    }

    #[test]
    fn anything_else_is_refused_for_a_reason() {
        for (line, refusal) in [
            (b"".as_slice(), Refusal::Blank),
            (b" \t ", Refusal::Blank),
            (b"\xff,1", Refusal::NotUtf8),
            (b"Ada 12.50", Refusal::NoComma),
            (b" ,12.50", Refusal::NoCustomer),
            (b"Ada,", Refusal::NoAmount),
            (b"Ada,0.00", Refusal::NoAmount),
            (b"Ada,-1", Refusal::NoAmount),
            (b"Ada,1.234", Refusal::NoAmount),
            (b"Ada,1.", Refusal::NoAmount),
            (b"Ada,184467440737095517", Refusal::NoAmount),
            (b"Ada,99999999999999999999999", Refusal::NoAmount),
        ] {
            assert_eq!(cents_of(line), Err(refusal), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_size_has_a_limit() {
        let line = |length| [vec![b'a'; length - 2], b",1".to_vec()].concat();
        assert_eq!(cents_of(&line(LARGEST)), Ok(100));
        assert_eq!(cents_of(&line(LARGEST + 1)), Err(Refusal::TooLarge));
    }

    #[test]
    fn made_up_orders_are_orders() {
        for number in 1..=1000 {
            let order = Order::made_up(number);
            assert_eq!(Order::parse(number, order.line.as_bytes()), Ok(order));
        }
    }
}
