//! Orders: lines like `Ada,12.50`.

use std::{fs::File, io::Read, path::Path};

use otel_messaging_demo::{Result, log, print};

/// How many orders a run may have: more traces are too many to look at.
pub(crate) const MOST: usize = 10_000;

/// How many lines that are no orders are reported one by one.
const REPORTED: usize = 20;
/// How many bytes a file may have. The embedded Kafka keeps five megabytes of a partition, and
/// drops what is older, read or not.
const LARGEST_FILE: u64 = 3 << 20;
/// Kafka takes messages of a million bytes by default; some are left for the key and the headers.
const LARGEST: usize = 999_000;

/// Makes up an order.
pub(crate) fn made_up(number: u64) -> String {
    let customer = ["Ada", "Grace", "Edsger", "Barbara", "Tony"][(number % 5) as usize];
    format!("{customer},{}.{:02}", 1 + number * 37 % 90, number % 100)
}

/// Reads a file and returns the lines that are orders. Reports the others.
pub(crate) fn read(path: &Path) -> Result<Vec<String>> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|it| it.take(LARGEST_FILE + 1).read_to_end(&mut content));
    let path = path.display();
    read.map_err(|error| {
        format!("cannot read {path}: {error}; name a file of lines like `Ada,12.50`")
    })?;
    let lines = content.strip_suffix(b"\n").unwrap_or(&content).split(|&byte| byte == b'\n');
    if content.len() as u64 > LARGEST_FILE || lines.clone().count() > MOST {
        return Err(format!(
            "{path} is too large: the demo takes {MOST} lines and {LARGEST_FILE} bytes; give it \
             the first lines: head -n 1000 {path}"
        )
        .into());
    }
    let (mut orders, mut others) = (Vec::new(), Vec::new());
    for (line, number) in lines.zip(1..) {
        match amount(line) {
            Some(_) => orders.push(String::from_utf8_lossy(line).trim_end().to_owned()),
            None => others.push(number),
        }
    }
    for number in others.iter().take(REPORTED) {
        log(format_args!("line {number} is not a `customer,amount` such as `Ada,12.50`"));
    }
    if !others.is_empty() {
        print(format_args!("{} lines are orders, {} are not", orders.len(), others.len()));
    }
    Ok(orders)
}

/// Returns the amount of a `customer,amount`. The customer is any text, commas included, and the
/// amount is a positive number. The whole fits into a Kafka message.
pub(crate) fn amount(line: &[u8]) -> Option<f64> {
    let (customer, amount) = str::from_utf8(line).ok()?.rsplit_once(',')?;
    let amount: f64 = amount.trim().parse().ok()?;
    let is_order = !customer.trim().is_empty() && amount.is_finite() && amount > 0.0;
    (is_order && line.len() <= LARGEST).then_some(amount)
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn an_order_is_a_customer_and_an_amount() {
        for (line, expected) in [("Ada,12.50", 12.5), ("Zoë, Berlin, 3 \r", 3.0)] {
            assert_eq!(amount(line.as_bytes()), Some(expected), "{line}");
        }
        for line in ["", " \t ", "Ada 12.50", " ,12.50", "Ada,", "Ada,0.00", "Ada,-1", "Ada,inf"] {
            assert_eq!(amount(line.as_bytes()), None, "{line}");
        }
        assert_eq!(amount(b"\xff,1"), None);
    }
}
