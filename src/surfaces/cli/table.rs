//! Text for a terminal: aligned columns, no control characters of strangers.

/// Columns as wide as their widest cell, two spaces apart; the last one is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let all: Vec<Vec<String>> =
        std::iter::once(&head).chain(rows).map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    all.iter().map(line).collect()
}

/// A table with a line for each, or what is said when there are none.
pub fn list<T>(all: &[T], none: &str, head: &[&str], line: impl Fn(&T) -> Vec<String>) -> String {
    if all.is_empty() {
        return format!("{none}\n");
    }
    table(head, &all.iter().map(line).collect::<Vec<_>>())
}

/// `name  value` lines; empty values are left out.
pub fn facts(list: &[(&str, String)]) -> String {
    let shown: Vec<_> = list.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    shown.iter().map(|(name, value)| format!("{name:<width$}  {}\n", plain(value))).collect()
}

/// Control characters would let a payload drive the reader's terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_harmless() {
        let rows = [vec!["1".into(), "ü\u{1b}[2J".into(), "x".into()], vec!["long".into(), String::new(), String::new()]];
        insta::assert_snapshot!(table(&["A", "B", "C"], &rows).replace(' ', "."), @r"
        A.....B......C
        1.....ü.[2J..x
        long
        ");
        insta::assert_snapshot!(facts(&[("id", "7".into()), ("none", String::new()), ("state", "a\nb".into())]), @r"
        id     7
        state  a b
        ");
    }
}
