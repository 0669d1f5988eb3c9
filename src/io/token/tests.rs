use super::*;

#[test]
fn generations_come_around_without_the_listeners_and_the_reactors() {
    let mut generations = Generations(u32::MAX - 3);
    let taken: Vec<u32> = (0..4).map(|_| generations.take()).collect();
    assert_eq!(taken, [u32::MAX - 2, u32::MAX - 1, 1, 2]);
    assert_eq!(Generations::default().take(), 1);
}

#[test]
fn a_token_says_what_it_was_made_of() {
    for generation in [Generations::NONE, 1, u32::MAX - 1] {
        let token = Token::new(SLOT_MASK as usize, generation);
        assert_eq!((token.index(), token.generation()), (SLOT_MASK as usize, generation));
        // The reactor keeps the two largest for itself.
        assert!(token.0 < u64::MAX - 1);
    }
}
