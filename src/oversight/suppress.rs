//! Small numbers, for packs that leave the organisation.
//!
//! A count from 1 to one below the threshold could point to a person: it is withheld. So that it cannot be found by
//! subtraction, in every line that is added up (a row with its sum, a column with its total) at least two counts are
//! withheld that come to at least the threshold together, or none; the smallest others go first. Counts that state
//! the same number in several tables are withheld everywhere. Cases and record ids are left out altogether.

use super::pack::{Cell, Pack, Table};
use std::collections::BTreeSet;

/// The threshold unless another one is asked for: counts from 1 to 4 are withheld.
pub const SMALLEST: u64 = 5;

/// Makes a pack fit to leave the organisation. Thresholds below 2 withhold no number; cases and ids still go.
pub fn suppress(pack: &mut Pack, smallest: u64) {
    pack.smallest = smallest;
    pack.records.clear();
    for section in &mut pack.sections {
        section.tables.retain(|table| !table.cases);
    }
    let mut tables: Vec<&mut Table> =
        pack.sections.iter_mut().flat_map(|section| &mut section.tables).collect();
    for cell in tables.iter_mut().flat_map(|table| cells(table)) {
        cell.records.clear();
        cell.withheld = (1..smallest).contains(&cell.count);
    }
    loop {
        let mut changed = together(&mut tables);
        for table in &mut tables {
            changed |= protect(table, smallest);
        }
        if !changed {
            return;
        }
    }
}

fn cells(table: &mut Table) -> impl Iterator<Item = &mut Cell> {
    table.rows.iter_mut().chain(table.total.as_mut()).flat_map(|row| &mut row.cells)
}

/// Withholds every cell that states a number which is withheld elsewhere. Whether that changed anything.
fn together(tables: &mut [&mut Table]) -> bool {
    let all =
        || tables.iter().flat_map(|table| table.rows.iter().chain(&table.total)).flat_map(|row| &row.cells);
    let withheld: BTreeSet<String> =
        all().filter(|cell| cell.withheld).filter_map(|cell| cell.same.clone()).collect();
    let mut changed = false;
    for cell in tables.iter_mut().flat_map(|table| cells(table)) {
        if !cell.withheld && cell.same.as_ref().is_some_and(|same| withheld.contains(same)) {
            cell.withheld = true;
            changed = true;
        }
    }
    changed
}

/// Withholds more where a line gives a withheld number away. Whether it did.
fn protect(table: &mut Table, smallest: u64) -> bool {
    let mut changed = false;
    let width = table.columns.len();
    for row in table.rows.iter_mut().chain(table.total.as_mut()) {
        if table.sums {
            changed |= cover(row.cells.iter_mut().collect(), smallest);
        }
    }
    for column in 0..width {
        let line = table.rows.iter_mut().chain(table.total.as_mut());
        changed |= cover(line.filter_map(|row| row.cells.get_mut(column)).collect(), smallest);
    }
    changed
}

fn cover(mut line: Vec<&mut Cell>, smallest: u64) -> bool {
    let mut changed = false;
    loop {
        let (mut hidden, mut sum) = (0, 0);
        for cell in line.iter().filter(|cell| cell.withheld) {
            hidden += 1;
            sum += cell.count;
        }
        if hidden == 0 || (hidden > 1 && sum >= smallest) {
            return changed;
        }
        // A zero tells nothing about anybody, so it goes last.
        let next =
            line.iter_mut().filter(|cell| !cell.withheld).min_by_key(|cell| (cell.count == 0, cell.count));
        let Some(cell) = next else { return changed };
        cell.withheld = true;
        changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::{Gathered, LogState, Section};
    use super::*;

    fn pack(counts: &[(&str, &str, usize)], partition: bool) -> Pack {
        let mut gathered = Gathered::default();
        for (row, column, count) in counts {
            for n in 0..*count {
                gathered.add(&[row], column, &format!("{row}-{column}-{n}"));
            }
        }
        let table = gathered.table("t", "T", &["row"], &["permit", "withhold"], partition.then_some("key"));
        Pack {
            format: super::super::PACK_FORMAT,
            period: "2026-10".into(),
            from: String::new(),
            until: String::new(),
            organisation: String::new(),
            gateway: String::new(),
            made: String::new(),
            log: LogState::default(),
            smallest: 0,
            sections: vec![Section { id: "s", title: "S", about: "", tables: vec![table] }],
            records: Default::default(),
        }
    }

    /// For each withheld cell, in order, whether the visible numbers and the sums determine it: the equations of all
    /// rows and columns, solved for the withheld cells.
    fn determined(table: &Table) -> Vec<bool> {
        let rows: Vec<&Vec<Cell>> = table.rows.iter().chain(&table.total).map(|row| &row.cells).collect();
        let (height, width) = (rows.len(), table.columns.len());
        let places: Vec<(usize, usize)> = (0..height)
            .flat_map(|r| (0..width).map(move |c| (r, c)))
            .filter(|&(r, c)| rows[r][c].withheld)
            .collect();
        // A line says: its parts, less its sum, are zero.
        let weight = |last: bool| if last { -1.0 } else { 1.0 };
        let mut lines: Vec<Vec<f64>> = Vec::new();
        for line in 0..height {
            let of = |&(r, c): &(usize, usize)| if r == line { weight(c == width - 1) } else { 0.0 };
            lines.push(places.iter().map(of).collect());
        }
        for line in 0..width {
            let of = |&(r, c): &(usize, usize)| if c == line { weight(r == height - 1) } else { 0.0 };
            lines.push(places.iter().map(of).collect());
        }
        let mut pivot = 0;
        for column in 0..places.len() {
            let Some(found) = (pivot..lines.len()).find(|&r| lines[r][column].abs() > 1e-9) else { continue };
            lines.swap(pivot, found);
            let by = lines[pivot][column];
            lines[pivot].iter_mut().for_each(|value| *value /= by);
            let row = lines[pivot].clone();
            for (r, line) in lines.iter_mut().enumerate() {
                let times = line[column];
                if r != pivot {
                    line.iter_mut().zip(&row).for_each(|(value, own)| *value -= times * own);
                }
            }
            pivot += 1;
        }
        let alone = |column: usize| {
            lines.iter().any(|line| {
                let others = line.iter().enumerate().filter(|(c, value)| *c != column && value.abs() > 1e-9);
                line[column].abs() > 1e-9 && others.count() == 0
            })
        };
        (0..places.len()).map(alone).collect()
    }

    #[test]
    fn a_small_number_cannot_be_found_by_subtraction() {
        for counts in [
            vec![("a", "permit", 9), ("a", "withhold", 2), ("b", "permit", 8), ("b", "withhold", 7)],
            vec![("a", "permit", 9), ("a", "withhold", 9), ("b", "permit", 3), ("b", "withhold", 9)],
            vec![("a", "permit", 1), ("b", "permit", 9), ("b", "withhold", 6)],
        ] {
            let mut pack = pack(&counts, true);
            suppress(&mut pack, SMALLEST);
            let table = &pack.sections[0].tables[0];
            let withheld: Vec<&Cell> = table
                .rows
                .iter()
                .chain(&table.total)
                .flat_map(|row| &row.cells)
                .filter(|c| c.withheld)
                .collect();
            assert!(withheld.len() >= 2, "{counts:?}");
            for (cell, determined) in withheld.iter().zip(determined(table)) {
                let small = (1..SMALLEST).contains(&cell.count);
                assert!(!(small && determined), "{} is given away in {counts:?}", cell.count);
            }
        }
        // The test can fail: without the second step the number is given away.
        let mut pack =
            pack(&[("a", "permit", 9), ("a", "withhold", 2), ("b", "permit", 8), ("b", "withhold", 7)], true);
        let table = &mut pack.sections[0].tables[0];
        table.rows[0].cells[1].withheld = true;
        assert_eq!(determined(table), [true]);
    }

    #[test]
    fn large_numbers_stay_and_ids_go() {
        let mut pack = pack(&[("a", "permit", 9), ("b", "permit", 5)], true);
        suppress(&mut pack, SMALLEST);
        let text = serde_json::to_string(&pack).unwrap();
        assert!(!text.contains("withheld") && !text.contains("a-permit-1"), "{text}");
        assert!(text.contains("\"count\":14"), "{text}");
    }

    #[test]
    fn the_same_number_is_withheld_in_every_table() {
        let mut one = pack(&[("a", "permit", 3)], true);
        let other = pack(&[("x", "permit", 3)], true);
        one.sections.extend(other.sections);
        one.sections[1].tables[0].rows[0].cells[0].count = 30;
        suppress(&mut one, SMALLEST);
        assert!(one.sections[1].tables[0].total.as_ref().unwrap().cells[0].withheld);
    }
}
