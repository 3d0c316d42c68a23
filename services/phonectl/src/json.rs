//! Bus values as JSON.

use serde_json::{Map, Value as Json};
use zbus::Variant;

/// The same value. A dictionary becomes an object, a structure a list, a descriptor null.
pub fn of(value: &Variant<'_>) -> Json {
    match value {
        Variant::U8(number) => (*number).into(),
        Variant::Bool(flag) => (*flag).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => (*number).into(),
        Variant::Str(text) => text.as_str().into(),
        Variant::Signature(signature) => signature.to_string().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(inner) => of(inner),
        Variant::Array(array) => array.inner().iter().map(of).collect::<Vec<_>>().into(),
        Variant::Structure(structure) => structure.fields().iter().map(of).collect::<Vec<_>>().into(),
        Variant::Dict(dict) => Json::Object(dict.iter().map(|(key, value)| (text(&of(key)), of(value))).collect::<Map<_, _>>()),
        Variant::Fd(_) => Json::Null,
    }
}

/// A value as it stands in a table: texts without quotes, lists with commas, nothing for null.
pub fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;
    use zbus::Variant;

    use super::{of, text};

    #[test]
    fn nested_values_keep_their_shape() {
        let lamps = HashMap::from([("line1", "on")]);
        assert_eq!(of(&Variant::new(("provisioning", true, 7_u64))), json!(["provisioning", true, 7]));
        assert_eq!(of(&Variant::from(lamps)), json!({"line1": "on"}));
        assert_eq!(of(&Variant::new(vec!["a", "b"])), json!(["a", "b"]));
    }

    #[test]
    fn a_table_shows_texts_without_quotes() {
        assert_eq!(text(&json!("talking")), "talking");
        assert_eq!(text(&json!([1, "b"])), "1, b");
        assert_eq!(text(&json!(null)), "");
    }
}
