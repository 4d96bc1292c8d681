//! `#[endpoint]`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn, LitStr, Pat, Type};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The function, and beside it a module of its name with its route.
pub fn expand(attribute: &LitStr, item: &ItemFn) -> syn::Result<Tokens> {
    let (method, path) = route(attribute)?;
    let placeholders = placeholders(attribute, &path)?;
    let mut arguments = Vec::new();
    let mut used = Vec::new();
    let mut random = quote!();
    for input in &item.sig.inputs {
        let FnArg::Typed(typed) = input else {
            return Err(syn::Error::new(input.span(), "the function must not have `self`"));
        };
        match referenced(&typed.ty).as_deref() {
            Some("Request") => arguments.push(quote!(call.request)),
            Some("Settings") => arguments.push(quote!(call.settings)),
            Some("Random") => {
                random = quote! { let mut random = call.random(); };
                arguments.push(quote!(&mut random));
            }
            other => {
                let Pat::Ident(name) = &*typed.pat else {
                    return Err(syn::Error::new(typed.pat.span(), "expected a parameter with a name"));
                };
                let name = name.ident.to_string();
                let name = name.trim_start_matches("r#");
                let Some(at) = placeholders.iter().position(|p| p == name) else {
                    let message =
                        format!("the path has no placeholder {{{name}}}; besides there are &Request, &Settings and &mut Random");
                    return Err(syn::Error::new(typed.pat.span(), message));
                };
                used.push(at);
                let ty = &typed.ty;
                arguments.push(match other {
                    Some("str") => quote!(call.text(#at)),
                    _ => quote! {
                        match call.parse::<#ty>(#at) {
                            Ok(value) => value,
                            Err(problem) => return IntoResponse::into_response(problem),
                        }
                    },
                });
            }
        }
    }
    if let Some(unused) = (0..placeholders.len()).find(|at| !used.contains(at)) {
        let message = format!("the function has no parameter {}", placeholders[unused]);
        return Err(syn::Error::new(item.sig.span(), message));
    }
    let (name, visibility, doc) = (&item.sig.ident, &item.vis, super::doc(&item.attrs));
    Ok(quote! {
        #item

        #[doc(hidden)]
        #[allow(unused_imports, unused_variables, clippy::all)]
        #visibility mod #name {
            use super::*;
            use ::calzone_guest::endpoint::IntoResponse;

            pub const ROUTE: ::calzone_guest::endpoint::Route =
                ::calzone_guest::endpoint::Route { method: #method, path: #path, doc: #doc, handle };

            fn handle(call: &::calzone_guest::endpoint::Call<'_>) -> ::calzone_guest::endpoint::Response {
                #random
                IntoResponse::into_response(super::#name(#(#arguments),*))
            }
        }
    })
}

/// Method and path of `GET /order/{id}`.
fn route(attribute: &LitStr) -> syn::Result<(String, String)> {
    let text = attribute.value();
    match text.split_once(' ') {
        Some((method, path)) if METHODS.contains(&method) && path.starts_with('/') => Ok((method.to_owned(), path.to_owned())),
        _ => {
            let message =
                format!("expected a method and a path, for instance \"GET /order/{{id}}\"; methods are {}", METHODS.join(", "));
            Err(syn::Error::new(attribute.span(), message))
        }
    }
}

fn placeholders(attribute: &LitStr, path: &str) -> syn::Result<Vec<String>> {
    let mut names = Vec::new();
    for segment in path.split('/') {
        let name = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        match name {
            Some(name) if syn::parse_str::<syn::Ident>(name).is_ok() && !names.iter().any(|n| n == name) => {
                names.push(name.to_owned());
            }
            None if !segment.contains(['{', '}']) => {}
            _ => {
                return Err(syn::Error::new(
                    attribute.span(),
                    format!("`{segment}`: a placeholder is a whole segment with a name of its own, for instance {{id}}"),
                ));
            }
        }
    }
    Ok(names)
}

/// The last name of the type behind a reference.
fn referenced(ty: &Type) -> Option<String> {
    let Type::Reference(reference) = ty else { return None };
    let Type::Path(path) = &*reference.elem else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}
