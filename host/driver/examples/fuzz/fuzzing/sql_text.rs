//! An author of SQL: expressions of a wanted type over given columns, and queries of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use calzone_functions::signature::Returns;
use calzone_functions::{FunctionKind, ParameterType, Registry, Signature};
use calzone_types::{Field, SqlType};

use super::random::Random;

/// Functions that answer differently each time.
const UNSTABLE: &[&str] = &["RANDOM", "UUID", "UNIX_TIMESTAMP", "UNIX_DATE"];

/// Expressions nested deeper are of no more use.
const DEPTH_MAX: usize = 5;

struct Overload {
    name: String,
    kind: FunctionKind,
    signature: Signature,
}

/// Every overload of every built-in function, and every example.
fn functions() -> &'static (Vec<Overload>, Vec<&'static str>) {
    static ALL: OnceLock<(Vec<Overload>, Vec<&'static str>)> = OnceLock::new();
    ALL.get_or_init(|| {
        let registry = Registry::built_in();
        let (mut overloads, mut examples) = (Vec::new(), Vec::new());
        for function in registry.names() {
            let mut add = |signature: &Signature| {
                overloads.push(Overload { name: function.name.to_owned(), kind: function.kind, signature: signature.clone() });
            };
            match function.kind {
                FunctionKind::Aggregate => {
                    let definition = registry.aggregate(function.name);
                    definition.iter().flat_map(|d| &d.overloads).for_each(|overload| add(&overload.signature));
                }
                _ => {
                    let definition = registry.scalar(function.name).or_else(|| registry.table(function.name));
                    definition.iter().flat_map(|d| &d.overloads).for_each(|overload| add(&overload.signature));
                    if function.kind == FunctionKind::Scalar && !UNSTABLE.contains(&function.name) {
                        examples.extend(definition.iter().flat_map(|d| &d.examples).map(|example| example.expression));
                    }
                }
            }
        }
        (overloads, examples)
    })
}

/// Columns and lambda parameters that an expression may name.
pub type Names = Vec<(String, SqlType)>;

/// Writes SQL.
pub struct Author<'r> {
    random: &'r mut Random,
    pub names: Names,
    lambdas: usize,
}

const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'abc'",
    "'ä\u{1F355}'",
    "' x '",
    "'1'",
    "'-2.50'",
    "'NaN'",
    "'2020-02-29'",
    "'12:34:56'",
    "'2020-02-29T12:34:56.789'",
    "'0001-01-01'",
    "'yyyy-MM-dd'",
    "'HH:mm:ss.SSS'",
    "'yyyy-MM-dd''T''HH:mm:ssX'",
    "'EEEE dd MMM yyyy G'",
    "'qqqq'",
    "'[HH]'",
    "'$.a[0].b'",
    "'$[*]'",
    "'{\"a\":[{\"b\":1},2]}'",
    "'[1,2,\"x\"]'",
    "'{'",
    "'(a)(b)?'",
    "'[a-z]+'",
    "'(?<n>x)|y'",
    "'(a+)+$'",
    "'*'",
    "'$1'",
    "'\\'",
    "'%_a'",
    "'%'",
    "'hex'",
    "'utf8'",
    "'base64'",
    "'ascii'",
    "'0x4A'",
    "'UTC'",
    "'Europe/Berlin'",
    "'+25:00'",
    "'America/New_York'",
    "'KM'",
    "'ASC'",
    "'DESC'",
    "'https://u@h:8/p?q=1&r=%20#f'",
    "'a%zz'",
    "','",
    "':'",
    "'/'",
    "'a:1,b:2'",
    "'\u{130}'",
    "'BIG_ENDIAN'",
    "'LITTLE_ENDIAN'",
    "'x\n\0y'",
];
const INTEGERS: &[&str] = &["0", "1", "-1", "2", "3", "7", "100", "-5", "2147483647", "-2147483648", "1000000", "65536"];
const BIGINTS: &[&str] = &[
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "1577836800000",
    "253402300800000",
    "-62135596800001",
    "4611686018427387904",
];
const DOUBLES: &[&str] =
    &["0e0", "-0e0", "1.5e0", "-2.5e0", "1e308", "-1e308", "5e-324", "1e19", "0.1e0", "9007199254740993e0", "1e-7"];
const DECIMALS: &[&str] = &[
    "0.0",
    "1.5",
    "-2.50",
    "99999999.99",
    "0.00001",
    "12345678901234567890.123",
    "99999999999999999999999999999999999999",
    "0.00000000000000000000000000000000000001",
    "-0.5",
    "100.",
];
const UNITS: &[&str] = &["MILLISECONDS", "SECONDS", "MINUTE", "HOURS", "DAYS", "WEEK", "MONTHS", "YEARS", "CENTURIES"];

impl<'r> Author<'r> {
    pub fn new(random: &'r mut Random) -> Author<'r> {
        let names = [("A", SqlType::Integer), ("B", SqlType::Varchar), ("t.`c d`", SqlType::Double), ("S->F", SqlType::Bigint)];
        Author { random, names: names.map(|(name, ty)| (name.to_owned(), ty)).into(), lambdas: 0 }
    }

    pub fn over(random: &'r mut Random, names: Names) -> Author<'r> {
        Author { random, names, lambdas: 0 }
    }

    /// A type that columns have, or one of a few others.
    pub fn any_type(&mut self) -> SqlType {
        let simple = [
            SqlType::Boolean,
            SqlType::Integer,
            SqlType::Bigint,
            SqlType::Double,
            SqlType::decimal(10, 2),
            SqlType::decimal(38, 10),
            SqlType::Varchar,
            SqlType::Bytes,
            SqlType::Date,
            SqlType::Time,
            SqlType::Timestamp,
        ];
        match self.random.below(8) {
            0..=2 if !self.names.is_empty() => self.names[self.random.below(self.names.len())].1.clone(),
            3 => SqlType::array(simple[self.random.below(simple.len())].clone()),
            4 => SqlType::map(SqlType::Varchar, simple[self.random.below(simple.len())].clone()),
            5 => SqlType::structure([Field::new("F", simple[self.random.below(simple.len())].clone())]),
            _ => simple[self.random.below(simple.len())].clone(),
        }
    }

    /// Any expression.
    pub fn expression(&mut self) -> String {
        let ty = self.any_type();
        if self.random.once_in(8) {
            let examples = &functions().1;
            return examples[self.random.below(examples.len())].to_owned();
        }
        self.of_type(&ty, 0)
    }

    /// An expression that has this type, mostly.
    pub fn of_type(&mut self, ty: &SqlType, depth: usize) -> String {
        if self.random.once_in(60) {
            let other = self.any_type();
            return self.of_type(&other, depth + 1);
        }
        if depth >= DEPTH_MAX || self.random.once_in(4) {
            return self.leaf(ty);
        }
        let next = depth + 1;
        match self.random.below(14) {
            0 => {
                let other = self.any_type();
                format!("CAST({} AS {ty})", self.of_type(&other, next))
            }
            1 => {
                let (condition, value, otherwise) =
                    (self.of_type(&SqlType::Boolean, next), self.of_type(ty, next), self.of_type(ty, next));
                format!("CASE WHEN {condition} THEN {value} ELSE {otherwise} END")
            }
            2 => {
                let operand = self.any_type();
                let (operand, when) = (self.of_type(&operand, next), self.of_type(&operand, next));
                format!("CASE {operand} WHEN {when} THEN {} END", self.of_type(ty, next))
            }
            3 => format!("COALESCE({}, {})", self.of_type(ty, next), self.of_type(ty, next)),
            4 => format!("ARRAY[{}, {}][{}]", self.of_type(ty, next), self.of_type(ty, next), self.random.below(4) as i32 - 1),
            5 => format!("STRUCT(X := {})->X", self.of_type(ty, next)),
            6 => format!("MAP('k' := {})[{}]", self.of_type(ty, next), self.of_type(&SqlType::Varchar, next)),
            7 | 8 => self.operator(ty, next),
            _ => self.call(ty, next).unwrap_or_else(|| self.operator(ty, next)),
        }
    }

    fn leaf(&mut self, ty: &SqlType) -> String {
        let fitting: Vec<usize> = (0..self.names.len()).filter(|i| self.names[*i].1 == *ty).collect();
        if !fitting.is_empty() && !self.random.once_in(3) {
            return self.names[fitting[self.random.below(fitting.len())]].0.clone();
        }
        if self.random.once_in(12) {
            return "NULL".into();
        }
        match ty {
            SqlType::Boolean => self.random.pick(&["TRUE", "FALSE"]).into(),
            SqlType::Integer => self.random.pick(INTEGERS).into(),
            SqlType::Bigint if self.random.once_in(2) => self.random.pick(BIGINTS).into(),
            SqlType::Bigint => format!("CAST({} AS BIGINT)", self.random.pick(INTEGERS)),
            SqlType::Double => self.random.pick(DOUBLES).into(),
            SqlType::Decimal { .. } if self.random.once_in(2) => self.random.pick(DECIMALS).into(),
            SqlType::Decimal { .. } => format!("CAST({} AS {ty})", self.random.pick(DECIMALS)),
            SqlType::Varchar => self.random.pick(TEXTS).into(),
            SqlType::Bytes => {
                let text = self.random.pick(&["", "00", "0102030405060708", "FF", "7FFFFFFF", "80000000", "E4", "zz"]);
                format!("TO_BYTES('{text}', 'hex')")
            }
            SqlType::Date => format!("FROM_DAYS({})", self.random.pick(INTEGERS)),
            SqlType::Time => format!("TIMEADD(SECONDS, {}, CAST('12:34:56' AS TIME))", self.random.pick(INTEGERS)),
            SqlType::Timestamp if self.random.once_in(2) => format!("FROM_UNIXTIME({})", self.random.pick(BIGINTS)),
            SqlType::Timestamp => format!("FROM_UNIXTIME(CAST({} AS BIGINT))", self.random.pick(INTEGERS)),
            SqlType::Array(element) => {
                let items: Vec<String> = (0..self.random.below(4) + 1).map(|_| self.leaf(element)).collect();
                format!("ARRAY[{}]", items.join(", "))
            }
            SqlType::Map(key, value) => {
                let entries: Vec<String> =
                    (0..self.random.below(3) + 1).map(|_| format!("{} := {}", self.leaf(key), self.leaf(value))).collect();
                format!("MAP({})", entries.join(", "))
            }
            SqlType::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("`{}` := {}", field.name, self.leaf(&field.ty))).collect();
                format!("STRUCT({})", fields.join(", "))
            }
        }
    }

    fn operator(&mut self, ty: &SqlType, depth: usize) -> String {
        match ty {
            SqlType::Boolean => self.predicate(depth),
            SqlType::Integer | SqlType::Bigint | SqlType::Double | SqlType::Decimal { .. } => {
                if self.random.once_in(6) {
                    return format!("(-{})", self.of_type(ty, depth));
                }
                let op = self.random.pick(&["+", "-", "*", "/", "%"]);
                let right = if self.random.once_in(4) { SqlType::Integer } else { ty.clone() };
                format!("({} {op} {})", self.of_type(ty, depth), self.of_type(&right, depth))
            }
            SqlType::Varchar => format!("({} + {})", self.of_type(ty, depth), self.of_type(ty, depth)),
            SqlType::Array(element) => format!("ARRAY[{}, {}]", self.of_type(element, depth), self.of_type(element, depth)),
            SqlType::Map(key, value) => format!("MAP({} := {})", self.of_type(key, depth), self.of_type(value, depth)),
            SqlType::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("`{}` := {}", field.name, self.of_type(&field.ty, depth))).collect();
                format!("STRUCT({})", fields.join(", "))
            }
            _ => self.leaf(ty),
        }
    }

    fn predicate(&mut self, depth: usize) -> String {
        let ty = self.any_type();
        let (boolean, text) = (SqlType::Boolean, SqlType::Varchar);
        match self.random.below(9) {
            0 => format!("({} AND {})", self.of_type(&boolean, depth), self.of_type(&boolean, depth)),
            1 => format!("({} OR {})", self.of_type(&boolean, depth), self.of_type(&boolean, depth)),
            2 => format!("(NOT {})", self.of_type(&boolean, depth)),
            3 => format!("({} IS NULL)", self.of_type(&ty, depth)),
            4 => format!("({} IN ({}, {}))", self.of_type(&ty, depth), self.of_type(&ty, depth), self.leaf(&ty)),
            5 => format!("({} LIKE {} ESCAPE '!')", self.of_type(&text, depth), self.of_type(&text, depth)),
            6 => format!("({} BETWEEN {} AND {})", self.of_type(&ty, depth), self.leaf(&ty), self.of_type(&ty, depth)),
            7 => format!("({} IS DISTINCT FROM {})", self.of_type(&ty, depth), self.of_type(&ty, depth)),
            _ => {
                let op = self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
                format!("({} {op} {})", self.of_type(&ty, depth), self.of_type(&ty, depth))
            }
        }
    }

    /// A call of a function that gives this type.
    fn call(&mut self, ty: &SqlType, depth: usize) -> Option<String> {
        let all = &functions().0;
        for _ in 0..60 {
            let overload = &all[self.random.below(all.len())];
            if overload.kind != FunctionKind::Scalar || UNSTABLE.contains(&overload.name.as_str()) {
                continue;
            }
            let mut bound = BTreeMap::new();
            let fits = match &overload.signature.returns {
                Returns::Type(returns) => binds(returns, ty, &mut bound),
                _ => ty.is_numeric() || self.random.once_in(8),
            };
            if fits {
                return Some(format!("{}({})", overload.name, self.arguments(&overload.signature, &mut bound, depth)));
            }
        }
        None
    }

    fn arguments(&mut self, signature: &Signature, bound: &mut BTreeMap<char, SqlType>, depth: usize) -> String {
        let mut arguments = Vec::new();
        for (i, parameter) in signature.parameters.iter().enumerate() {
            let times = if signature.variadic == Some(i) { self.random.below(4) } else { 1 };
            for _ in 0..times {
                arguments.push(self.argument(&parameter.ty, bound, depth));
            }
        }
        if self.random.once_in(80) {
            arguments.pop();
        }
        arguments.join(", ")
    }

    fn argument(&mut self, ty: &ParameterType, bound: &mut BTreeMap<char, SqlType>, depth: usize) -> String {
        match ty {
            ParameterType::Lambda { inputs, output } => {
                let kept = self.names.len();
                let mut parameters = Vec::new();
                for input in inputs {
                    let ty = self.instance(input, bound);
                    self.lambdas += 1;
                    parameters.push(format!("P{}", self.lambdas));
                    self.names.push((format!("P{}", self.lambdas), ty));
                }
                let output = self.instance(output, bound);
                let body = self.of_type(&output, depth);
                self.names.truncate(kept);
                format!("({}) => {body}", parameters.join(", "))
            }
            ParameterType::IntervalUnit => self.random.pick(UNITS).into(),
            other => {
                let ty = self.instance(other, bound);
                self.of_type(&ty, depth)
            }
        }
    }

    fn instance(&mut self, ty: &ParameterType, bound: &mut BTreeMap<char, SqlType>) -> SqlType {
        match ty {
            ParameterType::Sql(ty) => ty.clone(),
            ParameterType::AnyDecimal => SqlType::decimal(10, 2),
            ParameterType::Generic(variable) => match bound.get(variable) {
                Some(ty) => ty.clone(),
                None => {
                    let ty = self.any_type();
                    bound.insert(*variable, ty.clone());
                    ty
                }
            },
            ParameterType::Array(element) => SqlType::array(self.instance(element, bound)),
            ParameterType::Map(key, value) => {
                let key = match &**key {
                    ParameterType::Generic(variable) if !bound.contains_key(variable) => {
                        bound.insert(*variable, SqlType::Varchar);
                        SqlType::Varchar
                    }
                    other => self.instance(other, bound),
                };
                SqlType::map(key, self.instance(value, bound))
            }
            _ => self.any_type(),
        }
    }

    /// A call of an aggregate function.
    pub fn aggregate(&mut self) -> String {
        let all: Vec<&Overload> = functions().0.iter().filter(|overload| overload.kind == FunctionKind::Aggregate).collect();
        let overload = all[self.random.below(all.len())];
        if overload.name == "COUNT" && self.random.once_in(2) {
            return "COUNT(*)".into();
        }
        let mut bound = BTreeMap::new();
        let count = overload.signature.parameters.len();
        let mut arguments = Vec::new();
        for (i, parameter) in overload.signature.parameters.iter().enumerate() {
            let times = if overload.signature.variadic == Some(i) { self.random.below(3) } else { 1 };
            for _ in 0..times {
                let last = i > 0 && i + 1 == count && parameter.ty == ParameterType::Sql(SqlType::Integer);
                let argument = if last {
                    self.random.pick(&["1", "2", "3", "0", "-1", "1000000"]).to_owned()
                } else {
                    self.argument(&parameter.ty, &mut bound, DEPTH_MAX - 1)
                };
                arguments.push(argument);
            }
        }
        format!("{}({})", overload.name, arguments.join(", "))
    }

    /// A query over something, right at first sight only.
    pub fn query(&mut self) -> String {
        let items: Vec<String> = (0..self.random.below(3) + 1)
            .map(|i| if self.random.once_in(3) { self.expression() } else { format!("{} AS C{i}", self.expression()) })
            .collect();
        let filter = if self.random.once_in(2) { format!(" WHERE {}", self.predicate(2)) } else { String::new() };
        let end = self.random.pick(&["", " EMIT CHANGES", " EMIT CHANGES LIMIT 3", " GROUP BY A EMIT FINAL", " PARTITION BY B"]);
        format!("SELECT {} FROM T{filter}{end};", items.join(", "))
    }
}

/// Is a type what a parameter type says, and which variables does that bind?
fn binds(parameter: &ParameterType, ty: &SqlType, bound: &mut BTreeMap<char, SqlType>) -> bool {
    match (parameter, ty) {
        (ParameterType::Sql(wanted), ty) => wanted == ty,
        (ParameterType::Generic(variable), ty) => bound.insert(*variable, ty.clone()).is_none_or(|before| before == *ty),
        (ParameterType::Array(element), SqlType::Array(ty)) => binds(element, ty, bound),
        (ParameterType::Map(key, value), SqlType::Map(k, v)) => binds(key, k, bound) && binds(value, v, bound),
        (ParameterType::AnyDecimal, SqlType::Decimal { .. }) | (ParameterType::AnyStruct, SqlType::Struct(_)) => true,
        (ParameterType::Any, _) => true,
        _ => false,
    }
}
