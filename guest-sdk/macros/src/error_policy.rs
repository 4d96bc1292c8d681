//! `#[error_policy]`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, LitStr, Token, Type};

use crate::doc;

/// Nothing, or `name = "…"`.
pub struct ErrorPolicyAttribute {
    name: Option<LitStr>,
}

impl Parse for ErrorPolicyAttribute {
    fn parse(input: ParseStream) -> syn::Result<ErrorPolicyAttribute> {
        if input.is_empty() {
            return Ok(ErrorPolicyAttribute { name: None });
        }
        let key: Ident = input.parse()?;
        if key != "name" {
            return Err(syn::Error::new(key.span(), "expected `name = \"…\"`"));
        }
        input.parse::<Token![=]>()?;
        Ok(ErrorPolicyAttribute { name: Some(input.parse()?) })
    }
}

/// Beside the function, a module of its name with the entry for `plugin!`.
pub fn expand(attribute: &ErrorPolicyAttribute, item: &ItemFn) -> syn::Result<Tokens> {
    let (name, visibility) = (&item.sig.ident, &item.vis);
    let with_settings = match item.sig.inputs.iter().map(reference).collect::<Option<Vec<_>>>().as_deref() {
        Some(["Failure"]) => false,
        Some(["Failure", "Settings"]) => true,
        _ => {
            let message = "an error policy is a `fn(failure: &Failure) -> Decision`; `settings: &Settings` may follow";
            return Err(syn::Error::new(item.sig.span(), message));
        }
    };
    let policy_name = attribute.name.as_ref().map_or_else(|| name.to_string(), LitStr::value);
    let doc = doc(&item.attrs);
    let call = if with_settings { quote!(super::#name(failure, &settings)) } else { quote!(super::#name(failure)) };
    Ok(quote! {
        #item

        #[doc(hidden)]
        #[allow(unused_imports, unused_variables, clippy::all)]
        #visibility mod #name {
            use super::*;

            pub const ERROR_POLICY: ::calzone_guest::error_policy::ErrorPolicyEntry =
                ::calzone_guest::error_policy::ErrorPolicyEntry { name: #policy_name, doc: #doc, settings: &[], open };

            fn open(settings: &::calzone_guest::Settings) -> Result<::calzone_guest::error_policy::Judge, String> {
                let settings = settings.clone();
                Ok(Box::new(move |failure| #call))
            }
        }
    })
}

/// The last word of the type behind a shared reference.
fn reference(input: &FnArg) -> Option<&'static str> {
    let FnArg::Typed(typed) = input else { return None };
    let Type::Reference(reference) = &*typed.ty else { return None };
    let Type::Path(path) = &*reference.elem else { return None };
    let last = &path.path.segments.last()?.ident;
    ["Failure", "Settings"].into_iter().find(|word| last == word)
}
