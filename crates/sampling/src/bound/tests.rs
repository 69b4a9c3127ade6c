use std::time::Duration;

use super::*;

fn batch(number: u64) -> Batch {
    (TraceId::from(u128::from(number) + 1), SpanId::from(1), 100)
}

/// Returns how many of these batches are admitted, of which one in `wanted_of` is wanted.
fn admitted(limiter: &Limiter, batches: u64, wanted_of: u64) -> u64 {
    let now = Instant::now();
    (0..batches)
        .map(|number| limiter.admits(batch(number), number % wanted_of == 0, now))
        .map(u64::from)
        .sum()
}

#[test]
fn a_share_bounds_the_share_of_all_batches() {
    // Tokens are fractions that add up to 1 with an error.
    for (share, expected) in [(0.05, 499..=501), (0.5, 4_999..=5_001), (1.0, 10_000..=10_000)] {
        let kept = admitted(&Limiter::new(Bound::Share(share)), 10_000, 1);
        assert!(expected.contains(&kept), "{kept} for {share}");
    }
    let one = admitted(&Limiter::new(Bound::Share(0.0)), 10_000, 1);
    assert_eq!(one, 1, "the first token is there from the start");
}

#[test]
fn what_is_rarer_than_the_share_is_kept() {
    assert_eq!(admitted(&Limiter::new(Bound::Share(0.05)), 10_000, 100), 100);
}

#[test]
fn a_number_a_second_bounds_bursts() {
    let limiter = Limiter::new(Bound::PerSecond(10.0));
    let start = Instant::now();
    let mut kept = Vec::new();
    for second in 0..5 {
        let now = start + Duration::from_secs(second);
        let of_second = |number| limiter.admits(batch(second * 1_000 + number), true, now);
        kept.push((0..1_000).map(of_second).filter(|is_admitted| *is_admitted).count());
    }
    assert_eq!(kept, [1, 10, 10, 10, 10]);
    // A pause does not save up more than one second's number.
    let now = start + Duration::from_secs(3_600);
    let kept = (10_000..11_000).filter(|&number| limiter.admits(batch(number), true, now)).count();
    assert_eq!(kept, 10);
}

#[test]
fn less_than_one_a_second_is_kept_too() {
    let limiter = Limiter::new(Bound::PerSecond(0.125));
    let start = Instant::now();
    let kept = (0..100)
        .filter(|&second| limiter.admits(batch(second), true, start + Duration::from_secs(second)));
    assert_eq!(kept.collect::<Vec<_>>(), [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96]);
}

#[test]
fn all_spans_of_a_batch_are_decided_alike_and_count_once() {
    let limiter = Limiter::new(Bound::Share(0.5));
    let now = Instant::now();
    let mut kept = 0;
    for number in 0..1_000 {
        let receive = limiter.admits(batch(number), true, now);
        let process = limiter.admits(batch(number), true, now);
        assert_eq!(receive, process);
        kept += u64::from(receive);
    }
    assert!((499..=501).contains(&kept), "{kept}");
}
