//! Which test says that it proves which behaviour (B) or decision (C). A citation is `B43`, `B27 to B34` or `B27-34` in a comment; it counts for a test
//! when it stands above the test's attribute or inside its body. It knows Rust only as rustfmt writes it: a function ends at the
//! first closing brace below its own indentation.

use std::path::{Path, PathBuf};

/// One citation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// Line in its file, from 1.
    pub line: usize,
    /// The test that it belongs to; none: a comment elsewhere.
    pub test: Option<String>,
    /// `B` or `C`.
    pub letter: char,
    /// The first that is named.
    pub first: u32,
    /// The last one; the same where it is no range.
    pub last: u32,
}

/// Every Rust file of the repository, in order.
pub fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(root, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Those of a file.
pub fn of(text: &str) -> Vec<Citation> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = tests(&lines);
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let test = tests.iter().find(|test| test.begin <= at && at <= test.end).map(|test| test.name.clone());
        let cited = |letter| numbers(comment(line), letter).map(move |(first, last)| (letter, first, last));
        let cited = cited('B').chain(cited('C'));
        found.extend(cited.map(|(letter, first, last)| Citation { line: at + 1, test: test.clone(), letter, first, last }));
    }
    found
}

struct Test {
    name: String,
    begin: usize,
    end: usize,
}

fn tests(lines: &[&str]) -> Vec<Test> {
    let marks = lines.iter().enumerate().filter(|(_, line)| {
        let line = line.trim_start();
        line.starts_with("#[test]") || line.starts_with("#[tokio::test")
    });
    marks.filter_map(|(at, line)| test_at(lines, at, line)).collect()
}

fn test_at(lines: &[&str], at: usize, mark: &str) -> Option<Test> {
    let about = |line: &&str| line.trim_start().starts_with("//") || line.trim_start().starts_with("#[");
    let above = lines.get(..at)?.iter().rev().take_while(|line| about(line)).count();
    let below = lines.get(at..)?;
    let name = below.iter().find_map(|line| line.split_once("fn ")?.1.split_once('(').map(|(name, _)| name.to_owned()))?;
    let indentation = mark.len() - mark.trim_start().len();
    let end = format!("{}}}", " ".repeat(indentation));
    let length = below.iter().position(|line| **line == end)?;
    Some(Test { name, begin: at - above, end: at + length })
}

/// What stands behind `//`, but not behind that of a URL.
fn comment(line: &str) -> &str {
    let begin = line.match_indices("//").map(|(at, _)| at).find(|at| !line.get(..*at).unwrap_or("").ends_with(':'));
    begin.and_then(|at| line.get(at..)).unwrap_or("")
}

/// First and last of each citation with this letter in a text.
fn numbers(text: &str, letter: char) -> impl Iterator<Item = (u32, u32)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(letter)?;
            let word_begins =
                !rest.get(..at).is_some_and(|before| before.ends_with(|last: char| last.is_alphanumeric() || last == '_'));
            rest = rest.get(at + 1..)?;
            let Some((first, after)) = number(rest).filter(|_| word_begins) else { continue };
            rest = after;
            let Some((last, after)) = range_end(rest, letter) else { return Some((first, first)) };
            rest = after;
            return Some((first, last));
        }
    })
}

/// Digits that end where a word ends, and what follows them.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    let ends = !after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    digits.parse().ok().filter(|_| ends).map(|number| (number, after))
}

fn range_end(text: &str, letter: char) -> Option<(u32, &str)> {
    let (to, bare) =
        ([" to ", "-", "–"].iter().find_map(|to| text.strip_prefix(to))).map(|rest| (rest, rest.strip_prefix(letter)))?;
    // "B5 to 10 seconds" is no range.
    let dashed = !text.starts_with(' ');
    bare.or(dashed.then_some(to)).and_then(number)
}

#[cfg(test)]
mod tests {
    use super::{Citation, of};

    fn cited(text: &str) -> Vec<(Option<&str>, u32, u32)> {
        let all: &'static [Citation] = of(text).leak();
        all.iter().filter(|one| one.letter == 'B').map(|one| (one.test.as_deref(), one.first, one.last)).collect()
    }

    #[test]
    fn citations_belong_to_the_test_that_they_stand_at() {
        let text = "//! All of it (B1).\n\n/// Two things.\n/// B2, C3 and 4.\n#[tokio::test(start_paused = true)]\nasync fn first() {\n    \
                    // not here: the others do\n    let x = \"B4\"; // B5\n}\n\nfn between() {\n    // B6\n}\n\nmod tests {\n    \
                    // B7\n    #[test]\n    fn second() {\n        if true {\n        }\n        // B8\n    }\n    // B9\n}\n";
        let (first, second) = (Some("first"), Some("second"));
        let expected = [(None, 1, 1), (first, 2, 2), (first, 5, 5), (None, 6, 6), (second, 7, 7), (second, 8, 8), (None, 9, 9)];
        assert_eq!(cited(text), expected);
    }

    #[test]
    fn lists_and_ranges_are_read_and_other_words_are_not() {
        let ranges = cited("// B27 to B34, B40-B42, B50–52; B60, B61.");
        assert_eq!(ranges, [(None, 27, 34), (None, 40, 42), (None, 50, 52), (None, 60, 60), (None, 61, 61)]);
        assert_eq!(cited("// a B2BUA, 0B3, G_B4, B, B5x, sub5, B6 to 10 s, http://B7"), [(None, 6, 6), (None, 7, 7)]);
        let mixed: Vec<_> = of("// C2, B3 to B5, C60 to C62").iter().map(|one| (one.letter, one.first, one.last)).collect();
        assert_eq!(mixed, [('B', 3, 5), ('C', 2, 2), ('C', 60, 62)]);
        assert_eq!(cited("let url = \"http://host/B8\";"), []);
    }
}
