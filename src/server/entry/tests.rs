use super::*;

#[test]
fn generations_come_around_without_the_listeners_and_the_reactors() {
    let mut generations = Generations(u32::MAX - 3);
    let next: Vec<u32> = (0..4).map(|_| generations.next()).collect();
    assert_eq!(next, [u32::MAX - 2, u32::MAX - 1, 1, 2]);
    assert_eq!(Generations::default().next(), 1);
}

#[test]
fn a_token_says_what_it_was_made_of() {
    assert!(matches!(target(listener_token(7)), Target::Listener(7)));
    for generation in [1, u32::MAX - 1] {
        let token = token(PLACE_MASK, generation);
        assert!(matches!(target(token), Target::Connection));
        assert_eq!(generation_of(token), generation);
        assert_eq!(token.0 & PLACE_MASK, PLACE_MASK);
        // The reactor keeps the two largest for itself.
        assert!(token.0 < usize::MAX - 1);
    }
}
