//! JSON Schema, as much of it as `assets/schema.json` uses; a keyword that it does not know fails, so that no rule is
//! silently unchecked.

use serde_json::Value;

/// What in `value` breaks the schema, each with its place.
pub fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    check(schema, schema, value, "$", &mut problems);
    problems
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => true,
            "$ref" => {
                let path = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(path).unwrap(), value, at, problems);
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is(value, one.as_str().unwrap())),
                one => is(value, one.as_str().unwrap()),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().unwrap() >= rule.as_f64().unwrap(),
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "maxItems" => value.as_array().unwrap().len() as u64 <= rule.as_u64().unwrap(),
            "pattern" => matches(rule.as_str().unwrap(), value.as_str().unwrap()),
            "required" => {
                for key in rule.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        problems.push(format!("{at}: {key} is missing"));
                    }
                }
                true
            }
            "properties" => {
                for (key, inner) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        check(root, inner, value, &format!("{at}.{key}"), problems);
                    }
                }
                true
            }
            "items" => {
                for (number, item) in value.as_array().unwrap().iter().enumerate() {
                    check(root, rule, item, &format!("{at}[{number}]"), problems);
                }
                true
            }
            "prefixItems" => {
                for (number, (inner, item)) in
                    rule.as_array().unwrap().iter().zip(value.as_array().unwrap()).enumerate()
                {
                    check(root, inner, item, &format!("{at}[{number}]"), problems);
                }
                true
            }
            unknown => panic!("the schema uses {unknown}, which this test does not know"),
        };
        if !holds {
            problems.push(format!("{at}: {value} breaks {keyword} {rule}"));
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => panic!("no type {name}"),
    }
}

/// The two patterns of the schema: kebab words, and kebab paths of at least two words.
fn matches(pattern: &str, text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match pattern {
        "^[a-z0-9-]+$" => word(text),
        "^[a-z0-9-]+(\\.[a-z0-9-]+)+$" => text.contains('.') && text.split('.').all(word),
        _ => panic!("no rule for {pattern}"),
    }
}

#[test]
fn a_wrong_document_is_told() {
    let schema = serde_json::json!({ "type": "object", "required": ["a"], "properties": { "b": { "enum": ["x"] } } });
    let problems = problems(&schema, &serde_json::json!({ "b": "y" }));
    assert_eq!(problems.len(), 2, "{problems:?}");
}
