use super::*;
use std::collections::HashSet;

#[test]
fn every_reason_has_a_word_and_a_text_of_its_own() {
    let words: HashSet<_> = CloseReason::ALL.into_iter().map(CloseReason::word).collect();
    let texts: HashSet<_> = CloseReason::ALL.iter().map(CloseReason::to_string).collect();
    assert_eq!((words.len(), texts.len()), (CloseReason::ALL.len(), CloseReason::ALL.len()));
    for word in words {
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
    }
}

#[test]
fn what_is_no_frame_is_told_from_what_is_too_long() {
    let bad = FrameError::BadByte { offset: 0, byte: b'G' };
    assert_eq!(CloseReason::from(bad), CloseReason::BadFrame);
    for over in [
        FrameError::OverLimit { declared: Some(2), limit: 1 },
        FrameError::OverLimit { declared: None, limit: 1 },
        FrameError::LineOverLimit { limit: 1 },
    ] {
        assert_eq!(CloseReason::from(over), CloseReason::OverLimit);
    }
}
