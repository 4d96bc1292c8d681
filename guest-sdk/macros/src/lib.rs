//! The attribute macros of `calzone-guest`. Each leaves the function as it is, and puts beside it a module of the same name
//! with the loop over columns that the host calls.

mod aggregate;
mod endpoint;
mod error_policy;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, DeriveInput, Expr, ExprLit, FnArg, Ident, ItemFn, ItemImpl, Lit, LitStr, Meta, Pat, ReturnType, Token, Type,
};

/// Makes a SQL function: `#[function("mask(varchar) -> varchar")]`.
///
/// With `#[function("f(any) -> computed", return_type = path)]`, `path` is a
/// `fn(&[calzone_guest::function::ArgumentType]) -> Result<SqlType, String>`.
#[proc_macro_attribute]
pub fn function(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute as FunctionAttribute);
    let item = syn::parse_macro_input!(item as ItemFn);
    expand_function(&attribute, &item).unwrap_or_else(|e| with_error(&item, &e)).into()
}

/// Makes a table function, whose result is a `Vec` of rows: `#[table_function("words(varchar) -> varchar")]`.
///
/// `return_type` is as for `#[function]`, and gives the type of one row.
#[proc_macro_attribute]
pub fn table_function(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute as FunctionAttribute);
    let item = syn::parse_macro_input!(item as ItemFn);
    expand_table_function(&attribute, &item).unwrap_or_else(|e| with_error(&item, &e)).into()
}

/// Makes an aggregate function of a type's functions `new`, `initial`, `accumulate`, `retract`, `merge` and `result`:
/// `#[aggregate("my_sum(bigint) -> bigint")]`. Parameters behind a semicolon are the literals that `new` takes.
///
/// `return_type` is as for `#[function]`.
#[proc_macro_attribute]
pub fn aggregate(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute as FunctionAttribute);
    let item = syn::parse_macro_input!(item as ItemImpl);
    aggregate::expand(&attribute, &item).unwrap_or_else(|e| with_error(&item, &e)).into()
}

/// Makes a function that answers HTTP requests: `#[endpoint("GET /order/{id}")]`.
///
/// The function's parameters are the path's placeholders by name, `&Request`, `&Settings` and `&mut Random`.
#[proc_macro_attribute]
pub fn endpoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute as LitStr);
    let item = syn::parse_macro_input!(item as ItemFn);
    endpoint::expand(&attribute, &item).unwrap_or_else(|e| with_error(&item, &e)).into()
}

/// Makes a struct of states a state.
#[proc_macro_derive(State)]
pub fn derive_state(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as DeriveInput);
    aggregate::derive_state(&item).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes a stage that gives each row one more column, or replaces one: `#[stage("sauce VARCHAR")]`; or one that says to
/// which of several outputs a row goes, by its number: `#[stage(into = ["large", "small"])]`.
///
/// The function's parameters are the columns it reads, by name. The stage has the function's name, unless
/// `#[stage("sauce VARCHAR", name = "other")]` says otherwise.
#[proc_macro_attribute]
pub fn stage(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute as StageAttribute);
    let item = syn::parse_macro_input!(item as ItemFn);
    expand_stage(&attribute, &item).unwrap_or_else(|e| with_error(&item, &e)).into()
}

/// Makes an error policy of a `fn(failure: &Failure) -> Decision`, which may take `settings: &Settings` besides: `#[error_policy]`.
///
/// The policy has the function's name, unless `#[error_policy(name = "other")]` says otherwise.
#[proc_macro_attribute]
pub fn error_policy(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute as error_policy::ErrorPolicyAttribute);
    let item = syn::parse_macro_input!(item as ItemFn);
    error_policy::expand(&attribute, &item).unwrap_or_else(|e| with_error(&item, &e)).into()
}

/// The error beside the untouched function, so that it is the only one.
fn with_error(item: &dyn ToTokens, error: &syn::Error) -> Tokens {
    let error = error.to_compile_error();
    quote! { #item #error }
}

struct FunctionAttribute {
    signature: LitStr,
    return_type: Option<Expr>,
}

impl Parse for FunctionAttribute {
    fn parse(input: ParseStream) -> syn::Result<FunctionAttribute> {
        let signature: LitStr = input
            .parse()
            .map_err(|e| syn::Error::new(e.span(), "expected the SQL signature, for instance \"mask(varchar) -> varchar\""))?;
        let text = signature.value();
        let named = text.split_once('(').is_some_and(|(name, _)| !name.trim().is_empty());
        if !named || !text.contains("->") {
            return Err(syn::Error::new(signature.span(), "a signature looks like \"mask(varchar) -> varchar\""));
        }
        let mut return_type = None;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: Ident = input.parse()?;
            if key != "return_type" {
                return Err(syn::Error::new(key.span(), "expected `return_type = path`"));
            }
            input.parse::<Token![=]>()?;
            return_type = Some(input.parse()?);
        }
        Ok(FunctionAttribute { signature, return_type })
    }
}

struct StageAttribute {
    gives: StageGives,
    name: Option<LitStr>,
}

/// What a stage makes of a row.
enum StageGives {
    /// One column more.
    Column(LitStr),
    /// The way to one of these outputs.
    Route(Vec<LitStr>),
}

impl Parse for StageAttribute {
    fn parse(input: ParseStream) -> syn::Result<StageAttribute> {
        let gives = if input.peek(Ident) {
            let key: Ident = input.parse()?;
            if key != "into" {
                return Err(syn::Error::new(key.span(), "expected the column that the stage makes, or `into = [\"…\", \"…\"]`"));
            }
            input.parse::<Token![=]>()?;
            let list;
            syn::bracketed!(list in input);
            let outputs = list.parse_terminated(|item| item.parse::<LitStr>(), Token![,])?;
            if outputs.is_empty() {
                return Err(syn::Error::new(key.span(), "`into` names one output at least"));
            }
            StageGives::Route(outputs.into_iter().collect())
        } else {
            StageGives::Column(input.parse().map_err(|e| {
                syn::Error::new(e.span(), "expected the column that the stage makes, for instance \"sauce VARCHAR\"")
            })?)
        };
        let mut name = None;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: Ident = input.parse()?;
            if key != "name" {
                return Err(syn::Error::new(key.span(), "expected `name = \"…\"`"));
            }
            input.parse::<Token![=]>()?;
            name = Some(input.parse()?);
        }
        Ok(StageAttribute { gives, name })
    }
}

/// A parameter of the Rust function.
enum Parameter {
    /// Reads a column.
    Column { name: Ident, ty: Box<Type> },
    /// `&mut Random`
    Random,
    /// `&Settings`
    Settings,
}

fn parameters(item: &ItemFn) -> syn::Result<Vec<Parameter>> {
    parameters_of(&item.sig, 0)
}

/// The parameters behind the first `skipped`.
fn parameters_of(signature: &syn::Signature, skipped: usize) -> syn::Result<Vec<Parameter>> {
    if let Some(generics) = signature.generics.params.first() {
        return Err(syn::Error::new(generics.span(), "the function must not be generic; `Value` takes a value of any type"));
    }
    signature
        .inputs
        .iter()
        .skip(skipped)
        .map(|input| {
            let FnArg::Typed(typed) = input else {
                return Err(syn::Error::new(input.span(), "the function must not have `self`"));
            };
            if let Type::Reference(reference) = &*typed.ty
                && let Type::Path(path) = &*reference.elem
                && let Some(last) = path.path.segments.last()
            {
                if last.ident == "Random" && reference.mutability.is_some() {
                    return Ok(Parameter::Random);
                }
                if last.ident == "Settings" {
                    return Ok(Parameter::Settings);
                }
            }
            let Pat::Ident(name) = &*typed.pat else {
                return Err(syn::Error::new(typed.pat.span(), "expected a parameter with a name"));
            };
            Ok(Parameter::Column { name: name.ident.clone(), ty: typed.ty.clone() })
        })
        .collect()
}

fn returned(item: &ItemFn) -> syn::Result<&Type> {
    match &item.sig.output {
        ReturnType::Type(_, ty) => Ok(ty),
        ReturnType::Default => Err(syn::Error::new(item.sig.span(), "the function must return a value")),
    }
}

/// The text of a doc comment.
fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The parts of the loop that functions and stages share.
struct Loop {
    /// Types and names of the column parameters.
    types: Vec<Type>,
    names: Vec<Ident>,
    readers: Vec<Ident>,
    /// Arguments of the call, in order.
    arguments: Vec<Tokens>,
    /// Before the loop: the batch's seeds, if the function draws random numbers.
    seeds: Tokens,
    /// In the loop, before the call.
    random: Tokens,
}

fn loop_parts(parameters: &[Parameter]) -> Loop {
    let mut parts = Loop { types: vec![], names: vec![], readers: vec![], arguments: vec![], seeds: quote!(), random: quote!() };
    for parameter in parameters {
        match parameter {
            Parameter::Column { name, ty } => {
                let value = format_ident!("value{}", parts.types.len());
                parts.readers.push(format_ident!("reader{}", parts.types.len()));
                parts.types.push((**ty).clone());
                parts.names.push(name.clone());
                parts.arguments.push(quote!(#value));
            }
            Parameter::Random => {
                parts.seeds = quote! { let seeds = ::calzone_guest::capability::Seeds::of_batch(); };
                parts.random = quote! { let mut random = seeds.row(row); };
                parts.arguments.push(quote!(&mut random));
            }
            Parameter::Settings => parts.arguments.push(quote!(&settings)),
        }
    }
    parts
}

/// `let Some(value0) = get(&reader0, row) else { … };` for each column parameter.
fn bind_values(types: &[Type], readers: &[Ident], otherwise: &Tokens) -> Tokens {
    let lines = types.iter().zip(readers).enumerate().map(|(i, (ty, reader))| {
        let value = format_ident!("value{i}");
        quote! {
            let Some(#value) = <#ty as ::calzone_guest::argument::Parameter>::get(&#reader, row) else { #otherwise };
        }
    });
    quote! { #(#lines)* }
}

fn expand_function(attribute: &FunctionAttribute, item: &ItemFn) -> syn::Result<Tokens> {
    expand_batch_function(attribute, item, &quote!())
}

/// A function of an ARRAY, and the mark that says that its elements are rows.
fn expand_table_function(attribute: &FunctionAttribute, item: &ItemFn) -> syn::Result<Tokens> {
    let mark = quote! {
        pub const TABLE_FUNCTION: ::calzone_guest::TableFunction = ::calzone_guest::TableFunction(FUNCTION);
    };
    expand_batch_function(attribute, item, &mark)
}

fn expand_batch_function(attribute: &FunctionAttribute, item: &ItemFn, mark: &Tokens) -> syn::Result<Tokens> {
    let Loop { types, readers, arguments, seeds, random, .. } = loop_parts(&parameters(item)?);
    let (name, visibility) = (&item.sig.ident, &item.vis);
    let (signature, doc, returned) = (&attribute.signature, doc(&item.attrs), returned(item)?);
    let return_type = match &attribute.return_type {
        Some(path) => quote!(Some(#path)),
        None => quote!(None),
    };
    let positions: Vec<usize> = (0..types.len()).collect();
    let values = bind_values(&types, &readers, &quote! { results.push_null(); continue; });
    Ok(quote! {
        #item

        #[doc(hidden)]
        #[allow(unused_imports, unused_variables, clippy::all)]
        #visibility mod #name {
            use super::*;

            pub const FUNCTION: ::calzone_guest::Function = ::calzone_guest::Function {
                signature: #signature,
                doc: #doc,
                bind,
                return_type: #return_type,
            };

            #mark

            fn bind(binding: &::calzone_guest::function::Binding) -> Result<::calzone_guest::function::Call, String> {
                use ::calzone_guest::argument::Parameter;
                let spans = binding.spans(&[#(<#types as Parameter>::VARIADIC),*])?;
                #(::calzone_guest::function::Binding::expect_parameter::<#types>(&spans[#positions])?;)*
                binding.expect_result::<#returned>()?;
                let settings = binding.settings.clone();
                let returns = binding.returns.clone();
                Ok(Box::new(move |rows, columns| {
                    let mut cursor = ::calzone_guest::column::Cursor::new(columns);
                    #(let #readers = <#types as Parameter>::reader(&mut cursor, &spans[#positions])?;)*
                    #seeds
                    let mut results = ::calzone_guest::function::Results::<#returned>::new(&returns, rows)?;
                    for row in 0..rows {
                        #values
                        #random
                        results.push(row, super::#name(#(#arguments),*));
                    }
                    Ok(results.finish())
                }))
            }
        }
    })
}

fn expand_stage(attribute: &StageAttribute, item: &ItemFn) -> syn::Result<Tokens> {
    let parts = loop_parts(&parameters(item)?);
    let (name, visibility, doc) = (&item.sig.ident, &item.vis, doc(&item.attrs));
    let stage_name = attribute.name.as_ref().map_or_else(|| name.to_string(), LitStr::value);
    let columns: Vec<String> = parts.names.iter().map(|n| n.to_string().trim_start_matches("r#").to_owned()).collect();
    let spans: Vec<Ident> = (0..parts.types.len()).map(|i| format_ident!("types{i}")).collect();
    let (prepare, work) = match &attribute.gives {
        StageGives::Column(column) => column_loop(name, column, returned(item)?, &parts),
        StageGives::Route(outputs) => route_loop(name, outputs, &parts),
    };
    let Loop { types, readers, seeds, .. } = &parts;
    Ok(quote! {
        #item

        #[doc(hidden)]
        #[allow(unused_imports, unused_variables, clippy::all)]
        #visibility mod #name {
            use super::*;

            pub const STAGE: ::calzone_guest::stage::StageEntry =
                ::calzone_guest::stage::StageEntry { name: #stage_name, doc: #doc, settings: &[], open };

            fn open(
                settings: &::calzone_guest::Settings,
                input: &[::calzone_guest::stage::InputColumn],
            ) -> Result<(::calzone_guest::Plan, ::calzone_guest::stage::Process), String> {
                use ::calzone_guest::argument::Parameter;
                let mut plan = ::calzone_guest::Plan::passing(input);
                #(
                    let #spans = [plan.read(#columns)?];
                    ::calzone_guest::function::Binding::expect_parameter::<#types>(&#spans)
                        .map_err(|e| format!("column {}: {e}", #columns))?;
                )*
                #prepare
                let settings = settings.clone();
                let process = move |batch: &::calzone_guest::stage::Batch| {
                    let mut cursor = ::calzone_guest::column::Cursor::new(&batch.columns);
                    #(let #readers = <#types as Parameter>::reader(&mut cursor, &#spans)?;)*
                    #seeds
                    let rows = batch.rows as usize;
                    #work
                };
                Ok((plan, Box::new(process)))
            }
        }
    })
}

/// What `open` prepares and `process` does for a stage that makes a column.
fn column_loop(name: &Ident, column: &LitStr, returned: &Type, parts: &Loop) -> (Tokens, Tokens) {
    let Loop { types, readers, arguments, random, .. } = parts;
    let values = bind_values(
        types,
        readers,
        &quote! { results.push_null(); source_rows.extend_from_slice(&(row as u32).to_le_bytes()); continue; },
    );
    let prepare = quote! { let ty = ::calzone_guest::stage::set_one::<#returned>(&mut plan, #column)?; };
    let work = quote! {
        let mut results = ::calzone_guest::function::Results::<#returned>::new(&ty, rows)?;
        let mut source_rows = Vec::with_capacity(rows * 4);
        for row in 0..rows {
            #values
            #random
            if results.push_or_skip(row, super::#name(#(#arguments),*)) {
                source_rows.extend_from_slice(&(row as u32).to_le_bytes());
            }
        }
        let evaluated = results.finish();
        Ok(::calzone_guest::stage::answer(source_rows, evaluated.columns, evaluated.errors))
    };
    (prepare, work)
}

/// The same for a stage that says where a row goes.
fn route_loop(name: &Ident, outputs: &[LitStr], parts: &Loop) -> (Tokens, Tokens) {
    let Loop { types, readers, arguments, random, .. } = parts;
    let values = bind_values(types, readers, &quote! { routes.push_null(row); continue; });
    let count = outputs.len();
    let prepare = quote! { plan.route(&[#(#outputs),*]); };
    let work = quote! {
        let mut routes = ::calzone_guest::route::Routes::new(#count);
        for row in 0..rows {
            #values
            #random
            routes.push(row, super::#name(#(#arguments),*));
        }
        Ok(routes.finish())
    };
    (prepare, work)
}
