//! `#[aggregate]` and `#[derive(State)]`.

use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, ImplItem, ImplItemFn, ItemImpl, ReturnType, Type};

use crate::{FunctionAttribute, Loop, Parameter, bind_values, doc, loop_parts, parameters_of};

pub fn expand(attribute: &FunctionAttribute, item: &ItemImpl) -> syn::Result<Tokens> {
    if let Some((_, path, _)) = &item.trait_ {
        return Err(syn::Error::new(path.span(), "expected the type's own functions: `impl MySum { … }`"));
    }
    let ty = &item.self_ty;
    let function = |name: &str| {
        item.items.iter().find_map(|i| match i {
            ImplItem::Fn(f) if f.sig.ident == name => Some(f),
            _ => None,
        })
    };
    let required =
        |name: &str| function(name).ok_or_else(|| syn::Error::new(ty.span(), format!("an aggregate function needs `fn {name}`")));
    let (initial, accumulate, result) = (required("initial")?, required("accumulate")?, required("result")?);
    let (state, returned) = (returned(initial)?, returned(result)?);
    let parameters = argument_parameters(accumulate)?;
    if let Some(retract) = function("retract")
        && types_of(&argument_parameters(retract)?) != types_of(&parameters)
    {
        return Err(syn::Error::new(retract.sig.span(), "`retract` must have the parameters of `accumulate`"));
    }
    let Loop { types, readers, arguments, .. } = loop_parts(&parameters);
    let positions: Vec<usize> = (0..types.len()).collect();
    let values = bind_values(&types, &readers, &quote! { break 'row Ok(()); });
    let made = match function("new") {
        Some(new) => expand_new(ty, new)?,
        None => quote! {
            binding.literal_spans(&[])?;
            let aggregate = <#ty as ::std::default::Default>::default();
        },
    };
    let can_retract = function("retract").is_some();
    let retract = if can_retract {
        quote! { Outcome::into_result(aggregate.retract(state, #(#arguments),*)) }
    } else {
        quote! { Err("rows cannot be taken back out".to_owned()) }
    };
    let merge = match function("merge") {
        Some(merge) if is_result(merge) => quote! { aggregate.merge(older, newer).map_err(|e| e.to_string()) },
        Some(_) => quote! { Ok(aggregate.merge(older, newer)) },
        None => quote! { Err("groups of this function cannot be merged, as sessions need: it has no `merge`".to_owned()) },
    };
    let signature = &attribute.signature;
    let doc = doc(&item.attrs);
    let return_type = match &attribute.return_type {
        Some(path) => quote!(Some(#path)),
        None => quote!(None),
    };
    Ok(quote! {
        #item

        #[allow(unused_imports, unused_variables, clippy::all)]
        impl #ty {
            #[doc(hidden)]
            pub const AGGREGATE: ::calzone_guest::AggregateFunction = {
                use ::calzone_guest::aggregate::{Answer, Batch, Binding, Bound, Groups, Outcome, merge_columns};
                use ::calzone_guest::argument::Parameter;
                use ::calzone_guest::column::Cursor;

                fn bind(binding: &Binding) -> Result<Bound, String> {
                    let spans = binding.spans(&[#(<#types as Parameter>::VARIADIC),*])?;
                    #(::calzone_guest::function::Binding::expect_parameter::<#types>(&spans[#positions])?;)*
                    binding.expect_result::<#returned>()?;
                    let settings = binding.settings.clone();
                    #made
                    let aggregate = ::std::rc::Rc::new(aggregate);
                    let merging = aggregate.clone();
                    let returns = binding.returns.clone();
                    let update = move |batch: &Batch| -> Result<Answer, String> {
                        let mut groups = Groups::<#state, #returned>::new(batch, &returns)?;
                        if groups.has_rows() {
                            let mut cursor = Cursor::new(&batch.arguments);
                            #(let #readers = <#types as Parameter>::reader(&mut cursor, &spans[#positions])?;)*
                            for step in groups.steps() {
                                let mut outcome: Result<(), String> = Ok(());
                                if groups.is_change(step) {
                                    let row = groups.row(step);
                                    let retracts = groups.is_retraction(step);
                                    outcome = 'row: {
                                        #values
                                        let state = groups.state(step, || aggregate.initial());
                                        if retracts {
                                            #retract
                                        } else {
                                            Outcome::into_result(aggregate.accumulate(state, #(#arguments),*))
                                        }
                                    };
                                }
                                if !groups.end(step, outcome, || aggregate.initial(), |state| aggregate.result(state)) {
                                    break;
                                }
                            }
                        } else {
                            for step in groups.steps() {
                                if !groups.end(step, Ok(()), || aggregate.initial(), |state| aggregate.result(state)) {
                                    break;
                                }
                            }
                        }
                        Ok(groups.finish())
                    };
                    let merge = move |older: &::calzone_guest::bindings::types::Column,
                                      newer: &::calzone_guest::bindings::types::Column| {
                        let aggregate = &merging;
                        merge_columns::<#state>(older, newer, |older, newer| #merge)
                    };
                    Ok(Bound { update: Box::new(update), merge: Box::new(merge) })
                }

                ::calzone_guest::AggregateFunction {
                    signature: #signature,
                    doc: #doc,
                    can_retract: #can_retract,
                    bind,
                    return_type: #return_type,
                }
            };
        }
    })
}

/// Makes `aggregate` of the literals.
fn expand_new(ty: &Type, new: &ImplItemFn) -> syn::Result<Tokens> {
    let parameters = parameters_of(&new.sig, 0)?;
    refuse_random(&parameters, new)?;
    let Loop { types, readers, arguments, .. } = loop_parts(&parameters);
    let positions: Vec<usize> = (0..types.len()).collect();
    let values =
        bind_values(&types, &readers, &quote! { return Err("a literal is NULL where the function takes none".to_owned()); });
    let maybe_error = if is_result(new) {
        quote! { .map_err(|e| e.to_string())? }
    } else {
        quote!()
    };
    Ok(quote! {
        let literal_spans = binding.literal_spans(&[#(<#types as Parameter>::VARIADIC),*])?;
        #(::calzone_guest::function::Binding::expect_parameter::<#types>(&literal_spans[#positions])?;)*
        let aggregate = {
            let row = 0;
            let mut cursor = Cursor::new(&binding.literals);
            #(let #readers = <#types as Parameter>::reader(&mut cursor, &literal_spans[#positions])?;)*
            #values
            <#ty>::new(#(#arguments),*) #maybe_error
        };
    })
}

/// The parameters behind `&self` and the state.
fn argument_parameters(function: &ImplItemFn) -> syn::Result<Vec<Parameter>> {
    if function.sig.receiver().is_none() || function.sig.inputs.len() < 2 {
        let text = "expected `&self`, `&mut` of the state, and the arguments";
        return Err(syn::Error::new(function.sig.span(), text));
    }
    let parameters = parameters_of(&function.sig, 2)?;
    refuse_random(&parameters, function)?;
    Ok(parameters)
}

fn refuse_random(parameters: &[Parameter], function: &ImplItemFn) -> syn::Result<()> {
    if parameters.iter().any(|p| matches!(p, Parameter::Random)) {
        return Err(syn::Error::new(function.sig.span(), "an aggregate function draws no random numbers"));
    }
    Ok(())
}

fn types_of(parameters: &[Parameter]) -> Vec<String> {
    parameters
        .iter()
        .map(|p| match p {
            Parameter::Column { ty, .. } => quote!(#ty).to_string(),
            Parameter::Random => "Random".to_owned(),
            Parameter::Settings => "Settings".to_owned(),
        })
        .collect()
}

fn returned(function: &ImplItemFn) -> syn::Result<&Type> {
    match &function.sig.output {
        ReturnType::Type(_, ty) => Ok(ty),
        ReturnType::Default => Err(syn::Error::new(function.sig.span(), "the function must return a value")),
    }
}

fn is_result(function: &ImplItemFn) -> bool {
    match &function.sig.output {
        ReturnType::Type(_, ty) => match &**ty {
            Type::Path(path) => path.path.segments.last().is_some_and(|s| s.ident == "Result"),
            _ => false,
        },
        ReturnType::Default => false,
    }
}

pub fn derive_state(item: &DeriveInput) -> syn::Result<Tokens> {
    let Data::Struct(data) = &item.data else {
        return Err(syn::Error::new(item.ident.span(), "only a struct of states is a state"));
    };
    if let Some(generics) = item.generics.params.first() {
        return Err(syn::Error::new(generics.span(), "a state must not be generic"));
    }
    let name = &item.ident;
    let members: Vec<_> = data.fields.members().collect();
    let (pattern, values): (Vec<_>, Vec<_>) = members
        .iter()
        .enumerate()
        .map(|(i, member)| {
            let value = format_ident!("value{i}");
            (quote!(let #value = ::calzone_guest::State::read(bytes)?;), quote!(#member: #value))
        })
        .unzip();
    let made = if matches!(data.fields, Fields::Unit) { quote!(#name) } else { quote!(#name { #(#values),* }) };
    Ok(quote! {
        impl ::calzone_guest::State for #name {
            fn write(&self, out: &mut Vec<u8>) {
                #(::calzone_guest::State::write(&self.#members, out);)*
            }

            fn read(bytes: &mut &[u8]) -> Option<#name> {
                #(#pattern)*
                Some(#made)
            }
        }
    })
}
