use super::*;

fn distance_of(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|word| word.chars().collect::<Vec<_>>());
    distance(&a, &b)
}

#[test]
fn a_distance_counts_single_mistakes() {
    let cases = [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("echo", "echo", 0),
        ("echo", "eco", 1),
        ("echo", "eccho", 1),
        ("echo", "exho", 1),
        ("echo", "ehco", 1),
        ("echo", "ohce", 3),
        ("kitten", "sitting", 3),
    ];
    for (a, b, expected) in cases {
        assert_eq!(distance_of(a, b), expected, "{a} {b}");
        assert_eq!(distance_of(b, a), expected, "{b} {a}");
    }
}

#[test]
fn the_nearest_name_is_one_that_is_near() {
    let names = ["echo", "time", "daytime", "max-connections", "max-connections-per-address"];
    let nearest = |word| nearest(word, names.into_iter());
    assert_eq!(nearest("ehco"), Some("echo"));
    assert_eq!(nearest("Echo"), Some("echo"));
    assert_eq!(nearest("dytime"), Some("daytime"));
    assert_eq!(nearest("max_connections_per_address"), Some("max-connections-per-address"));
    assert_eq!(nearest("max-conn"), Some("max-connections"), "an abbreviation");
    for far in ["", "x", "smtp", "e", "connections"] {
        assert_eq!(nearest(far), None, "{far:?}");
    }
    assert_eq!(nearest(&"echo".repeat(1_000_000)), None);
}
