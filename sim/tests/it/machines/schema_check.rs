//! Checks a value against a JSON Schema, for the keywords that treefall's schemas use.
//!
//! Invariants: an unknown keyword panics, so nothing counts as satisfied without a check; a field that the schema
//! does not name is refused, although readers of the lines need not do so.

use serde_json::{Map, Value};

/// Keywords without a constraint on the value.
const WORDS: [&str; 6] = ["$schema", "$defs", "title", "description", "default", "format"];

/// Returns the first part of `value` that does not satisfy `schema`, a part of the document `whole`.
pub(super) fn check(whole: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Some(schema) = schema.as_object() else {
        return if schema == &Value::Bool(true) {
            Ok(())
        } else {
            Err(format!("nothing may be here: {value}"))
        };
    };
    for (keyword, says) in schema {
        let holds = match keyword.as_str() {
            "$ref" => {
                let place =
                    says.as_str().and_then(|it| it.strip_prefix('#')).expect("a place in the document");
                check(whole, whole.pointer(place).expect("what is referred to is there"), value)?;
                true
            }
            "anyOf" => {
                let kinds = says.as_array().expect("kinds");
                let refused: Vec<String> =
                    kinds.iter().filter_map(|kind| check(whole, kind, value).err()).collect();
                if refused.len() == kinds.len() {
                    return Err(format!("of no kind: {}", refused.join("; ")));
                }
                true
            }
            "oneOf" => {
                let kinds = says.as_array().expect("kinds").iter();
                kinds.filter(|kind| check(whole, kind, value).is_ok()).count() == 1
            }
            "type" => {
                let names = says.as_array().map_or_else(|| vec![says.clone()], Clone::clone);
                names.iter().filter_map(Value::as_str).any(|name| is_of_type(name, value))
            }
            "const" => says == value,
            "enum" => says.as_array().expect("values").contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().expect("a number")),
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= says.as_u64().expect("a number"))
            }
            "maxItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 <= says.as_u64().expect("a number"))
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                items.map(|item| check(whole, says, item)).collect::<Result<Vec<()>, _>>()?;
                true
            }
            "required" => value.as_object().is_none_or(|fields| {
                let names = says.as_array().expect("names").iter().filter_map(Value::as_str);
                names.into_iter().all(|name| fields.contains_key(name))
            }),
            "properties" | "additionalProperties" => {
                fields(whole, schema, value)?;
                true
            }
            word => {
                assert!(WORDS.contains(&word), "the keyword `{word}` is unknown");
                true
            }
        };
        if !holds {
            return Err(format!("`{keyword}: {says}` does not hold of {value}"));
        }
    }
    Ok(())
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("there is no type `{name}`"),
    }
}

/// Checks that the schema names each field, or allows all others.
fn fields(whole: &Value, schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    for (name, field) in value.as_object().into_iter().flatten() {
        let named = schema.get("properties").and_then(|it| it.get(name));
        let declared = named
            .or(schema.get("additionalProperties"))
            .ok_or_else(|| format!("`{name}` is not declared"))?;
        check(whole, declared, field).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}
