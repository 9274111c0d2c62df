//! Did you mean …?

/// The candidate that the text is most likely a slip of: at most a third of its letters differ.
pub fn nearest<'a>(text: &str, candidates: &[&'a str]) -> Option<&'a str> {
    if text.len() > 60 {
        return None;
    }
    let scored = candidates.iter().map(|candidate| (distance(&text.to_lowercase(), candidate), *candidate));
    let (score, best) = scored.min()?;
    (score <= best.len().max(text.len()).div_ceil(3)).then_some(best)
}

/// Letters to insert, delete, replace or swap.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["target", "gates", "health", "url"];
        assert_eq!(nearest("targte", &known), Some("target"));
        assert_eq!(nearest("Gate", &known), Some("gates"));
        assert_eq!(nearest("zzzzzz", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
