//! Text in columns.

use std::fmt;

/// Rows of cells, with lines between them that keep to no column.
#[derive(Debug)]
pub struct Table<const N: usize> {
    head: [Cell; N],
    lines: Vec<Line<N>>,
}

#[derive(Debug)]
enum Line<const N: usize> {
    Row([Cell; N]),
    Note(String),
}

/// The text of a cell and the side it stands on.
#[derive(Debug)]
pub struct Cell {
    text: String,
    is_right: bool,
}

impl Cell {
    /// Text.
    pub fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_right: false }
    }

    /// A number.
    pub fn right(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_right: true }
    }
}

impl<const N: usize> Table<N> {
    /// A table with these titles.
    pub fn new(head: [Cell; N]) -> Self {
        Self { head, lines: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [Cell; N]) {
        self.lines.push(Line::Row(cells));
    }

    /// Adds a line that keeps to no column.
    pub fn note(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Note(text.into()));
    }

    /// Adds an empty line.
    pub fn gap(&mut self) {
        self.note("");
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.head.each_ref().map(|title| title.text.chars().count());
        for line in &self.lines {
            if let Line::Row(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = cell.text.chars().count().max(*width);
                }
            }
        }
        widths
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let row = |cells: &[Cell; N]| {
            let padded = cells.iter().zip(widths).map(|(Cell { text, is_right }, width)| {
                if *is_right { format!("{text:>width$}") } else { format!("{text:<width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        writeln!(f, "{}", row(&self.head))?;
        for line in &self.lines {
            match line {
                Line::Row(cells) => writeln!(f, "{}", row(cells))?,
                Line::Note(text) => writeln!(f, "{}", text.trim_end())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([Cell::left("name"), Cell::right("n")]);
        table.row([Cell::left("└─ wide name"), Cell::right("7")]);
        table.note("a note that is much wider than any of the cells");
        table.row([Cell::left("x"), Cell::right("1234")]);
        assert_eq!(
            table.to_string(),
            "name             n\n\
             └─ wide name     7\n\
             a note that is much wider than any of the cells\n\
             x             1234\n"
        );
    }
}
