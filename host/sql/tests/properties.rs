//! Random trees: what is printed parses to the same tree.

use calzone_sql::ast::{ArithmeticOp, CompareOp, Expr, ExprKind, Name, TypeKind, TypeName};
use calzone_sql::{Span, Spanned, format_expression, format_type, parse_expression, parse_type, quote_name};
use calzone_types::{Decimal, SqlType, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn name() -> impl Strategy<Value = Name> {
    let words = select(vec![
        "A", "B_1", "FROM", "KEY", "DAY", "ARRAY", "MAP", "STRUCT", "NULL", "EMIT", "DATE", "1R", "COUNT", "CASE", "lower",
        "a b", "t`ick", "ä",
    ]);
    prop_oneof![words.prop_map(str::to_owned), "[A-Za-z_ `\"'.-]{1,6}"].prop_map(|node| Spanned { node, span: Span::default() })
}

fn function_name() -> impl Strategy<Value = Name> {
    name().prop_map(|name| Spanned { node: name.node.to_uppercase(), ..name })
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(Value::Integer),
        any::<i64>().prop_filter("fits INTEGER", |v| i32::try_from(*v).is_err()).prop_map(Value::Bigint),
        any::<f64>().prop_filter("no literal", |v| v.is_finite()).prop_map(Value::Double),
        (any::<i64>(), 0_u16..20).prop_map(|(unscaled, scale)| Value::Decimal(Decimal::new(unscaled.into(), scale))),
        "\\PC{0,8}".prop_map(Value::Varchar),
        "['`\n;$-]{0,4}".prop_map(Value::Varchar),
        (-700_000..2_900_000_i32).prop_map(Value::Date),
        (0..86_400_000_i32).prop_map(Value::Time),
        (-60_000_000_000_000..250_000_000_000_000_i64).prop_map(Value::Timestamp),
    ]
}

fn type_name() -> impl Strategy<Value = TypeName> {
    let simple = prop_oneof![
        select(vec![
            SqlType::Boolean,
            SqlType::Integer,
            SqlType::Bigint,
            SqlType::Double,
            SqlType::Varchar,
            SqlType::Bytes,
            SqlType::Date,
            SqlType::Time,
            SqlType::Timestamp
        ]),
        (1_u16..=38).prop_flat_map(|precision| (0..=precision).prop_map(move |scale| SqlType::Decimal { precision, scale })),
    ]
    .prop_map(TypeKind::Simple);
    let leaf = prop_oneof![simple, name().prop_map(|name| TypeKind::Custom(name.node))].prop_map(typed);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| TypeKind::Array(Box::new(t))),
            (inner.clone(), inner.clone()).prop_map(|(k, v)| TypeKind::Map(Box::new(k), Box::new(v))),
            vec((name(), inner), 0..3).prop_map(TypeKind::Struct),
        ]
        .prop_map(typed)
    })
}

fn typed(kind: TypeKind) -> TypeName {
    TypeName { kind, span: Span::default() }
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

/// Trees as the parser makes them: NOT over IN, LIKE and BETWEEN is part of these.
fn expression() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        literal().prop_map(ExprKind::Literal),
        (proptest::option::of(name()), name()).prop_map(|(source, name)| ExprKind::Column { source, name }),
        function_name().prop_map(|name| ExprKind::Call { name, arguments: vec![], star: true }),
    ]
    .prop_map(expr);
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new).boxed();
        let pair = (boxed.clone(), boxed.clone()).boxed();
        let branches = vec((inner.clone(), inner.clone()), 1..3).boxed();
        let otherwise = proptest::option::of(boxed.clone()).boxed();
        let arithmetic = select(vec![
            ArithmeticOp::Add,
            ArithmeticOp::Subtract,
            ArithmeticOp::Multiply,
            ArithmeticOp::Divide,
            ArithmeticOp::Modulo,
        ]);
        let compare = select(vec![
            CompareOp::Equal,
            CompareOp::NotEqual,
            CompareOp::Less,
            CompareOp::LessOrEqual,
            CompareOp::Greater,
            CompareOp::GreaterOrEqual,
            CompareOp::IsDistinctFrom,
            CompareOp::IsNotDistinctFrom,
        ]);
        let operators = prop_oneof![
            (arithmetic, pair.clone()).prop_map(|(op, (left, right))| ExprKind::Arithmetic { op, left, right }),
            (compare, pair.clone()).prop_map(|(op, (left, right))| ExprKind::Compare { op, left, right }),
            pair.clone().prop_map(|(left, right)| ExprKind::Concat { left, right }),
            pair.clone().prop_map(|(left, right)| ExprKind::And(left, right)),
            pair.clone().prop_map(|(left, right)| ExprKind::Or(left, right)),
            boxed.clone().prop_map(ExprKind::Negate),
            boxed.clone().prop_map(ExprKind::Plus),
            boxed.clone().prop_filter("part of the predicate", |e| !is_negatable(e)).prop_map(ExprKind::Not),
            (any::<bool>(), boxed.clone()).prop_map(|(negated, operand)| ExprKind::IsNull { negated, operand }),
            (any::<bool>(), boxed.clone(), pair.clone()).prop_map(|(negated, operand, (low, high))| ExprKind::Between {
                negated,
                operand,
                low,
                high
            }),
            (any::<bool>(), boxed.clone(), vec(inner.clone(), 1..3)).prop_map(|(negated, operand, list)| ExprKind::In {
                negated,
                operand,
                list
            }),
            (any::<bool>(), pair.clone(), proptest::option::of(any::<char>()))
                .prop_map(|(negated, (operand, pattern), escape)| ExprKind::Like { negated, operand, pattern, escape }),
            (boxed.clone(), "[A-Z/']{1,8}").prop_map(|(operand, zone)| ExprKind::AtTimeZone { operand, zone }),
        ];
        let others = prop_oneof![
            (boxed.clone(), name()).prop_map(|(base, field)| ExprKind::Field { base, field }),
            pair.prop_map(|(base, index)| ExprKind::Subscript { base, index }),
            (branches.clone(), otherwise.clone())
                .prop_map(|(branches, otherwise)| ExprKind::SearchedCase { branches, otherwise }),
            (boxed.clone(), branches, otherwise).prop_map(|(operand, branches, otherwise)| ExprKind::SimpleCase {
                operand,
                branches,
                otherwise
            }),
            (boxed.clone(), type_name()).prop_map(|(operand, ty)| ExprKind::Cast { operand, ty }),
            (function_name(), vec(inner.clone(), 0..4)).prop_map(|(name, arguments)| ExprKind::Call {
                name,
                arguments,
                star: false
            }),
            (function_name(), vec(name(), 1..3), boxed, inner.clone()).prop_map(|(name, parameters, body, first)| {
                let unit = expr(ExprKind::IntervalUnit("DAYS".into()));
                let lambda = expr(ExprKind::Lambda { parameters, body });
                ExprKind::Call { name, arguments: vec![unit, first, lambda], star: false }
            }),
            vec(inner.clone(), 0..3).prop_map(ExprKind::Array),
            vec((inner.clone(), inner.clone()), 0..3).prop_map(ExprKind::Map),
            vec((name(), inner), 0..3).prop_map(ExprKind::Struct),
        ];
        prop_oneof![operators, others].prop_map(expr)
    })
}

fn is_negatable(e: &Expr) -> bool {
    matches!(
        e.kind,
        ExprKind::Between { negated: false, .. } | ExprKind::In { negated: false, .. } | ExprKind::Like { negated: false, .. }
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn expressions_read_back(tree in expression()) {
        let text = format_expression(&tree);
        let again = parse_expression(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(&again, &tree, "{}", text);
        prop_assert_eq!(format_expression(&again), text);
    }

    #[test]
    fn types_read_back(ty in type_name()) {
        let text = format_type(&ty);
        let again = parse_type(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(again, ty, "{}", text);
    }

    #[test]
    fn names_read_back(name in name()) {
        let parsed = parse_expression(&quote_name(&name.node)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(parsed.kind, ExprKind::Column { source: None, name });
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = calzone_sql::parse(&text, &Default::default()).map_err(|error| error.to_string());
    }
}
