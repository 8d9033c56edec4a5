//! Many rows in few statements: a `VALUES` list between a head and a tail.

use super::fault::Fault;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

/// Rows in one statement. Shorter lists are filled up with rows of NULL, which no statement takes: so few statements have
/// to be prepared, and few are run for a batch, each of which costs a message to the database's thread and back.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// A value to bind.
#[derive(Debug, Clone)]
pub enum Cell {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

/// Rows collected for one statement.
#[derive(Debug)]
pub struct Rows {
    head: &'static str,
    tail: &'static str,
    columns: usize,
    inserts: bool,
    cells: Vec<Cell>,
}

impl Rows {
    /// An insertion: `head SELECT … WHERE column1 IS NOT NULL`.
    pub fn insert(columns: usize, head: &'static str) -> Self {
        Self { head, tail: "", columns, inserts: true, cells: Vec::new() }
    }

    /// A statement that reads `head VALUES (…), (…) tail`, to which a row of NULL makes no difference.
    pub fn new(columns: usize, head: &'static str, tail: &'static str) -> Self {
        Self { head, tail, columns, inserts: false, cells: Vec::new() }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [Cell; N]) {
        debug_assert_eq!(N, self.columns);
        self.cells.extend(row);
    }

    /// Runs the statement for all rows; the rows are used up.
    pub async fn execute(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        for (sql, arguments) in self.statements()? {
            sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Runs the query for all rows and gives what it found; the rows are used up.
    pub async fn fetch(&mut self, connection: &mut SqliteConnection) -> Result<Vec<SqliteRow>, Fault> {
        let mut found = Vec::new();
        for (sql, arguments) in self.statements()? {
            found.extend(sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(&mut *connection).await?);
        }
        Ok(found)
    }

    fn statements(&mut self) -> Result<Vec<(String, SqliteArguments)>, Fault> {
        let mut statements = Vec::new();
        let mut cells = std::mem::take(&mut self.cells).into_iter();
        let mut left = cells.len().checked_div(self.columns).unwrap_or(0);
        while left > 0 {
            let size = SIZES.into_iter().find(|size| *size >= left).unwrap_or(256);
            let mut arguments = SqliteArguments::default();
            arguments.reserve(size * self.columns, 0);
            for cell in cells.by_ref().take(size * self.columns) {
                bind(&mut arguments, cell)?;
            }
            for _ in arguments.len()..size * self.columns {
                bind(&mut arguments, Cell::Null)?;
            }
            statements.push((self.sql(size), arguments));
            left = left.saturating_sub(size);
        }
        Ok(statements)
    }

    fn sql(&self, rows: usize) -> String {
        let mut sql =
            String::with_capacity(self.head.len() + self.tail.len() + rows * (2 * self.columns + 3));
        sql.push_str(self.head);
        sql.push_str(if self.inserts { " SELECT * FROM (VALUES " } else { " VALUES " });
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ",(" });
            for column in 0..self.columns {
                sql.push_str(if column == 0 { "?" } else { ",?" });
            }
            sql.push(')');
        }
        sql.push_str(if self.inserts { ") WHERE column1 IS NOT NULL" } else { self.tail });
        sql
    }
}

/// Binds a value to the next place of a statement.
pub fn bind(arguments: &mut SqliteArguments, cell: Cell) -> Result<(), Fault> {
    match cell {
        Cell::Null => arguments.add(None::<i64>),
        Cell::Integer(value) => arguments.add(value),
        Cell::Text(value) => arguments.add(value),
        Cell::Blob(value) => arguments.add(value),
    }
    .map_err(|error| Fault::from(sqlx::Error::Encode(error)))
}

/// A time as the tables hold it.
pub fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A count or version as the tables hold it. Numbers beyond what they can hold are cut; none is ever reached.
pub fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Integer(number(value))
    }
}
impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}
impl From<u16> for Cell {
    fn from(value: u16) -> Self {
        Self::Integer(i64::from(value))
    }
}
impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}
impl From<Timestamp> for Cell {
    fn from(value: Timestamp) -> Self {
        Self::Integer(micros(value))
    }
}
impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<Vec<u8>> for Cell {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}
impl From<[u8; 32]> for Cell {
    fn from(value: [u8; 32]) -> Self {
        Self::Blob(value.to_vec())
    }
}
impl From<Uuid> for Cell {
    fn from(value: Uuid) -> Self {
        Self::Blob(value.as_bytes().to_vec())
    }
}
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
