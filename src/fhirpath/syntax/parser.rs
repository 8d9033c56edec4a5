//! Tokens to expression: precedence climbing over the N1 grammar.

use super::SyntaxError;
use super::lexer::{Placed, Token, tokens};
use crate::fhirpath::expression::{Arguments, ExprId, Expression, Kind, Literal, Operator, TypeName};
use crate::fhirpath::function::Function;
use crate::fhirpath::quantity::{CalendarUnit, Quantity, Unit};
use rust_decimal::Decimal;
use std::borrow::Cow;

/// The deepest nesting of an expression: deeper ones are refused, so that evaluation needs little stack.
const DEPTH: u32 = 160;
/// The longest expression that is read, in bytes.
const LENGTH: usize = 64 << 10;

/// Reads one expression.
pub(in crate::fhirpath) fn parse(source: &str) -> Result<Expression, SyntaxError> {
    if source.len() > LENGTH {
        return Err(SyntaxError::new("", 0, "the expression is longer than 64 KiB"));
    }
    let mut parser = Parser {
        source,
        tokens: tokens(source)?,
        next: 0,
        out: Expression::empty(source),
        depths: Vec::new(),
        open: 0,
    };
    let root = parser.binary(1)?;
    if *parser.peek() != Token::End {
        return parser.unexpected();
    }
    let mut expression = parser.out;
    expression.finish(root);
    Ok(expression)
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Placed>,
    next: usize,
    out: Expression,
    /// The height of each expression made so far, beside `out`.
    depths: Vec<u32>,
    /// How many rules are open.
    open: u32,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> &Token {
        self.tokens.get(self.next + by).map_or(&Token::End, |(token, _)| token)
    }

    fn here(&self) -> u32 {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(_, at)| *at)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn fail<T>(&self, at: u32, text: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(self.source, at as usize, text))
    }

    fn unexpected<T>(&self) -> Result<T, SyntaxError> {
        let what = match self.peek() {
            Token::End => "the end of the expression".to_owned(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Identifier(name) | Token::Delimited(name) => format!("`{name}`"),
            Token::Variable(name) => format!("`%{name}`"),
            Token::Special(name) => format!("`${name}`"),
            _ => "a literal".to_owned(),
        };
        self.fail(self.here(), format!("{what} is not expected here"))
    }

    fn at_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), SyntaxError> {
        if self.at_sign(sign) {
            self.next += 1;
            return Ok(());
        }
        match self.peek() {
            Token::End => self.fail(self.here(), format!("`{sign}` is missing")),
            _ => self.unexpected(),
        }
    }

    fn push(&mut self, kind: Kind, at: u32) -> Result<ExprId, SyntaxError> {
        let below =
            self.out.parts(&kind).iter().map(|id| self.depths.get(id.position()).copied().unwrap_or(0)).max();
        let depth = below.unwrap_or(0) + 1;
        if depth > DEPTH {
            return self.fail(at, "the expression is nested too deeply");
        }
        self.depths.push(depth);
        Ok(self.out.push(kind, at))
    }

    /// The operator at the front and how strongly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        use Operator::*;
        Some(match self.peek() {
            Token::Identifier(name) => match name.as_str() {
                "implies" => (Implies, 1),
                "or" => (Or, 2),
                "xor" => (Xor, 2),
                "and" => (And, 3),
                "in" => (In, 4),
                "contains" => (Contains, 4),
                "is" => (Is, 8),
                "as" => (As, 8),
                "div" => (Div, 10),
                "mod" => (Mod, 10),
                _ => return None,
            },
            Token::Sign(sign) => match *sign {
                "=" => (Equal, 5),
                "!=" => (NotEqual, 5),
                "~" => (Equivalent, 5),
                "!~" => (NotEquivalent, 5),
                "<" => (Less, 6),
                "<=" => (LessOrEqual, 6),
                ">" => (Greater, 6),
                ">=" => (GreaterOrEqual, 6),
                "|" => (Union, 7),
                "+" => (Plus, 9),
                "-" => (Minus, 9),
                "&" => (Concatenate, 9),
                "*" => (Times, 10),
                "/" => (Divide, 10),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn binary(&mut self, weakest: u8) -> Result<ExprId, SyntaxError> {
        self.open += 1;
        if self.open > DEPTH {
            return self.fail(self.here(), "the expression is nested too deeply");
        }
        let mut left = self.unary()?;
        while let Some((operator, strength)) = self.operator() {
            if strength < weakest {
                break;
            }
            let at = self.here();
            self.next += 1;
            let kind = match operator {
                Operator::Is => Kind::Is(left, self.type_name()?),
                Operator::As => Kind::As(left, self.type_name()?),
                _ => Kind::Binary(operator, left, self.binary(strength + 1)?),
            };
            left = self.push(kind, at)?;
        }
        self.open -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<ExprId, SyntaxError> {
        let at = self.here();
        let negative = self.at_sign("-");
        if !negative && !self.at_sign("+") {
            let term = self.term()?;
            return self.steps(term);
        }
        self.next += 1;
        self.open += 1;
        if self.open > DEPTH {
            return self.fail(at, "the expression is nested too deeply");
        }
        let inner = self.unary()?;
        self.open -= 1;
        let kind = if negative { Kind::Negate(inner) } else { Kind::Positive(inner) };
        self.push(kind, at)
    }

    /// What follows a term: `.name`, `.function()`, `[index]`.
    fn steps(&mut self, mut base: ExprId) -> Result<ExprId, SyntaxError> {
        loop {
            let at = self.here();
            if self.at_sign(".") {
                self.next += 1;
                base = self.invocation(Some(base))?;
            } else if self.at_sign("[") {
                self.next += 1;
                let index = self.binary(1)?;
                self.sign("]")?;
                base = self.push(Kind::Index(base, index), at)?;
            } else {
                return Ok(base);
            }
        }
    }

    fn literal(&mut self, literal: Literal, at: u32) -> Result<ExprId, SyntaxError> {
        self.push(Kind::Literal(literal), at)
    }

    fn term(&mut self) -> Result<ExprId, SyntaxError> {
        let at = self.here();
        match self.peek().clone() {
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.binary(1)?;
                self.sign(")")?;
                // The group keeps its own scope for `defineVariable`.
                self.push(Kind::Group(inner), at)
            }
            Token::Sign("{") => {
                self.next += 1;
                self.sign("}")?;
                self.literal(Literal::Empty, at)
            }
            Token::Text(text) => {
                self.next += 1;
                self.literal(Literal::Text(text.into()), at)
            }
            Token::Integer(number) => {
                self.next += 1;
                match self.unit() {
                    Some(unit) => self.quantity(Decimal::from(number), unit, at),
                    None => self.literal(Literal::Integer(number), at),
                }
            }
            Token::Decimal(number) => {
                self.next += 1;
                match self.unit() {
                    Some(unit) => self.quantity(number, unit, at),
                    None => self.literal(Literal::Decimal(number), at),
                }
            }
            Token::Temporal(value) => {
                self.next += 1;
                self.literal(Literal::Temporal(value), at)
            }
            Token::Variable(name) => {
                self.next += 1;
                self.push(Kind::Variable(name.into()), at)
            }
            Token::Special(name) => {
                self.next += 1;
                let kind = match name.as_str() {
                    "this" => Kind::This,
                    "index" => Kind::Position,
                    "total" => Kind::Total,
                    _ => return self.fail(at, format!("`${name}` is not known")),
                };
                self.push(kind, at)
            }
            Token::Identifier(name) if name == "true" || name == "false" => {
                self.next += 1;
                self.literal(Literal::Boolean(name == "true"), at)
            }
            Token::Identifier(_) | Token::Delimited(_) => self.invocation(None),
            _ => self.unexpected(),
        }
    }

    fn quantity(&mut self, value: Decimal, unit: Unit<'static>, at: u32) -> Result<ExprId, SyntaxError> {
        self.literal(Literal::Quantity(Quantity { value, unit }), at)
    }

    fn unit(&mut self) -> Option<Unit<'static>> {
        let unit = match self.peek() {
            Token::Text(code) => Unit::Ucum(Cow::Owned(code.clone())),
            Token::Identifier(word) => Unit::Calendar(CalendarUnit::from_word(word)?),
            _ => return None,
        };
        self.next += 1;
        Some(unit)
    }

    /// A name that may also be one of the words that are operators elsewhere.
    fn name(&mut self) -> Result<String, SyntaxError> {
        match self.advance() {
            Token::Identifier(name) | Token::Delimited(name) => Ok(name),
            _ => {
                self.next -= 1;
                self.unexpected()
            }
        }
    }

    fn type_name(&mut self) -> Result<TypeName, SyntaxError> {
        let at = self.here();
        // `is (X)` and `as('X')` are seen in the wild.
        if let Token::Text(text) = self.peek().clone() {
            self.next += 1;
            return Ok(TypeName::read(&text, at));
        }
        if self.at_sign("(") {
            self.next += 1;
            let name = self.type_name()?;
            self.sign(")")?;
            return Ok(name);
        }
        let mut name = self.name()?;
        while self.at_sign(".") && !matches!(self.ahead(2), Token::Sign("(")) {
            self.next += 1;
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(TypeName::read(&name, at))
    }

    fn invocation(&mut self, base: Option<ExprId>) -> Result<ExprId, SyntaxError> {
        let at = self.here();
        if let (Some(base), Token::Special(_)) = (base, self.peek()) {
            // `x.$this` says `x.select($this)`.
            let inner = self.term()?;
            let args = self.out.arguments(&[inner]);
            return self.push(Kind::Call(Some(base), Function::Select, args), at);
        }
        let name = self.name()?;
        if !self.at_sign("(") {
            return self.push(Kind::Member(base, name.into()), at);
        }
        let Some(function) = Function::named(&name) else {
            return self.fail(at, format!("the function `{name}` is not known"));
        };
        self.next += 1;
        if function.takes_type() {
            let name = self.type_name()?;
            self.sign(")")?;
            let left = match base {
                Some(base) => base,
                None => self.push(Kind::This, at)?,
            };
            let kind = match function {
                Function::Is => Kind::Is(left, name),
                Function::As => Kind::As(left, name),
                _ => Kind::OfType(left, name),
            };
            return self.push(kind, at);
        }
        let mut args = Vec::new();
        while !self.at_sign(")") {
            if !args.is_empty() {
                self.sign(",")?;
            }
            args.push(self.argument(function)?);
        }
        self.sign(")")?;
        let (fewest, most) = function.arity();
        if args.len() < fewest || args.len() > most {
            let expected = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
            let given = args.len();
            return self.fail(at, format!("`{name}` takes {expected} arguments; {given} are given"));
        }
        let args: Arguments = self.out.arguments(&args);
        self.push(Kind::Call(base, function, args), at)
    }

    fn argument(&mut self, function: Function) -> Result<ExprId, SyntaxError> {
        let inner = self.binary(1)?;
        if function != Function::Sort {
            return Ok(inner);
        }
        let at = self.here();
        match self.peek() {
            Token::Identifier(word) if word == "asc" => {
                self.next += 1;
                Ok(inner)
            }
            Token::Identifier(word) if word == "desc" => {
                self.next += 1;
                self.push(Kind::Negate(inner), at)
            }
            _ => Ok(inner),
        }
    }
}
