//! "Did you mean": the known name that is nearest to a mistyped one.

#[cfg(test)]
mod tests;

/// Longer words are not compared: the work grows with both lengths, and no name is that long.
const LONGEST_WORD: usize = 64;

/// Fewest letters of an abbreviation that is completed.
const SHORTEST_ABBREVIATION: usize = 3;

/// One of `names` that differs from `word` in at most one letter of three, or that `word` is the
/// beginning of; `None` if there is none. Upper and lower case count as the same letter.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> =
        word.chars().take(LONGEST_WORD + 1).flat_map(char::to_lowercase).collect();
    if word.len() > LONGEST_WORD {
        return None;
    }
    let most = (word.len() / 3).max(1);
    let differs = |name: &'a str| {
        let letters: Vec<char> = name.chars().collect();
        let is_abbreviation = word.len() >= SHORTEST_ABBREVIATION && letters.starts_with(&word);
        let distance = distance(&word, &letters);
        let is_near = distance <= most && distance < letters.len();
        (is_abbreviation || is_near).then_some((distance, name))
    };
    names.filter_map(differs).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// How many letters have to be inserted, removed, changed or swapped with their neighbour to make
/// `b` of `a`: the "optimal string alignment" distance, row by row.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let in_row = |above: usize, column: usize| {
                let row = (i + 1).checked_sub(above).and_then(|index| rows.get(index));
                row.and_then(|row| row.get(column)).copied().unwrap_or(usize::MAX / 2)
            };
            let changed = in_row(1, j) + usize::from(x != y);
            let removed = in_row(1, j + 1) + 1;
            let inserted = row.last().copied().unwrap_or(usize::MAX / 2) + 1;
            let before = |letters: &[char], index: usize| {
                index.checked_sub(1).and_then(|index| letters.get(index)).copied()
            };
            let is_swap = before(a, i) == Some(*y) && before(b, j) == Some(*x);
            let swapped = match j.checked_sub(1) {
                Some(column) if is_swap => in_row(2, column) + 1,
                _ => usize::MAX,
            };
            row.push(changed.min(removed).min(inserted).min(swapped));
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}
