use super::*;

/// How many of how many divisions are at least as extreme: counted with rational numbers by another
/// program, which looks at `itertools.combinations` (Python 3).
const TABLE: [(&[f64], &[f64], u64, u64); 8] = [
    (&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0], 2, 252),
    (&[1.0, 2.0, 3.0, 4.0, 6.0], &[5.0, 7.0, 8.0, 9.0, 10.0], 4, 252),
    (&[5.0; 5], &[5.0; 5], 252, 252),
    (&[10.1, 9.8, 10.0, 10.3, 9.9, 10.2], &[10.4, 10.6, 10.5, 10.1, 10.8, 10.7], 10, 924),
    (&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0, 7.0], 2, 35),
    (&[0.1, 0.2, 0.3, 0.1, 0.2], &[0.3, 0.1, 0.2, 0.2, 0.1], 252, 252),
    (
        &[20.0, 22.0, 19.0, 21.0, 23.0, 18.0, 20.0, 21.0],
        &[24.0, 19.0, 25.0, 23.0, 22.0, 26.0, 24.0, 21.0],
        446,
        12_870,
    ),
    (&[0.0; 5], &[0.0, 0.0, 0.0, 1.0, 2.0], 112, 252),
];

#[test]
fn field_load_11_the_p_value_is_the_share_of_all_divisions() {
    for (a, b, extreme, all) in TABLE {
        let expected = extreme as f64 / all as f64;
        for (a, b) in [(a, b), (b, a)] {
            assert!((p_value(a, b) - expected).abs() < 1e-12, "{a:?} {b:?}");
        }
        // Neither the unit nor the order matters.
        let scaled = |values: &[f64]| values.iter().rev().map(|value| value * 1e6).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = (scaled(a), scaled(b));
        assert!((p_value(&a, &b) - expected).abs() < 1e-12, "{a:?} {b:?}");
    }
}

#[test]
fn field_load_11_of_many_runs_enough_divisions_are_drawn() {
    assert_eq!((divisions(10, 5), divisions(20, 10)), (Some(252), Some(184_756)));
    assert_eq!(divisions(24, 12), None);
    let run = |number: u32, shift: f64| 100.0 + f64::from(number * 7 % 12) + shift;
    let side = |shift: f64| (0..12).map(|number| run(number, shift)).collect::<Vec<f64>>();
    let p = p_value(&side(0.0), &side(2.5));
    assert_eq!(p, p_value(&side(0.0), &side(2.5)), "it can be repeated");
    // Of all 2,704,156 divisions, 296,052 are as extreme.
    let exact = 296_052_f64 / 2_704_156_f64;
    assert!((p - exact).abs() < 4.0 * (exact * (1.0 - exact) / SAMPLES as f64).sqrt(), "{p}");
    let p = p_value(&side(0.0), &side(100.0));
    assert!(p > 0.0 && p < 1e-4, "{p}");
}

/// If nothing differs, p is below a bound in as many cases as the bound says.
#[test]
fn field_load_11_chance_is_called_significant_as_rarely_as_it_says() {
    let mut random = Random(7);
    let mut below = 0;
    for _ in 0..2_000 {
        let mut side = || -> Vec<f64> { (0..5).map(|_| random.below(1_000_000) as f64).collect() };
        let (a, b) = (side(), side());
        below += u32::from(p_value(&a, &b) < 0.05);
    }
    // 12 of 252 divisions have a p below 0.05: 95 of 2,000, give or take four deviations.
    assert!((57..=133).contains(&below), "{below}");
}
