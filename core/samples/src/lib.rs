#![doc = include_str!("../README.md")]

mod field;
mod pattern;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::field::{Field, character, odd_character};

/// Names that are not in any schema here: some that are identifiers, and some that are not.
const UNKNOWN: [&str; 6] = ["unknown_field", "_", "Ünknown", "two words", "", "a/b~c"];

/// Makes settings from a schema, the same ones for the same seed.
pub struct Sampler {
    fields: Vec<Field>,
    random: Rng,
    made: usize,
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        formatter.debug_struct("Sampler").field("fields", &names).finish_non_exhaustive()
    }
}

impl Sampler {
    /// A sampler of the settings that `schema`, the schema of an object, describes.
    pub fn new(schema: &Value, seed: u64) -> Self {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let fields =
            fields.map(|(name, schema)| Field::new(name, schema, is_required(name))).collect();
        Self { fields, random: Rng::with_seed(seed), made: 0 }
    }

    /// Looks for what `schema`, another one of the same settings, may judge otherwise.
    pub fn compared_with(mut self, schema: &Value) -> Self {
        for field in &mut self.fields {
            if let Some(other) = schema.get("properties").and_then(|all| all.get(&field.name)) {
                field.learn(other);
            }
        }
        self
    }

    /// The fields whose patterns no text can be made from; their examples are all that they are given.
    pub fn not_understood(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|field| !field.understood).map(|field| field.name.as_str())
    }

    /// Settings that are meant to be taken: every field first, then the required ones alone, then any of the others.
    pub fn good(&mut self) -> Map<String, Value> {
        self.made += 1;
        let mut settings = Map::new();
        for field in &self.fields {
            let takes_part = match self.made {
                1 => true,
                2 => field.required,
                _ => field.required || self.random.bool(),
            };
            if takes_part {
                settings.insert(field.name.clone(), field.good(&mut self.random));
            }
        }
        settings
    }

    /// Settings that are a step beside good ones, or a few: a field missing, unknown, of the wrong type, too short, too
    /// long, or with a character too many, too few or of the wrong kind. By chance they may still be good.
    pub fn broken(&mut self) -> Map<String, Value> {
        let mut settings = self.good();
        let steps = if self.random.u8(0..4) == 0 { self.random.usize(2..=4) } else { 1 };
        for _ in 0..steps {
            self.step_aside(&mut settings);
        }
        settings
    }

    fn step_aside(&mut self, settings: &mut Map<String, Value>) {
        let random = &mut self.random;
        let index = random.usize(0..self.fields.len().max(1));
        let Some(field) = self.fields.get(index) else {
            settings.insert(UNKNOWN[0].to_owned(), Value::Null);
            return;
        };
        let name = field.name.clone();
        match random.u8(0..24) {
            0 => {
                settings.shift_remove(&name);
            }
            1 => {
                let unknown = random.choice(UNKNOWN).unwrap_or_default();
                settings.insert(unknown.to_owned(), json!("x"));
            }
            2 => {
                // A name with a slip in it.
                let value = settings.shift_remove(&name).unwrap_or_else(|| json!("x"));
                settings.insert(slip(&name, random), value);
            }
            3 => {
                settings.insert(name, wrong_type(random));
            }
            4 => {
                settings.insert(name, json!(""));
            }
            5 => {
                let beyond = field.longest + random.usize(0..=2);
                let filler = char::from(random.u8(b'0'..=b'9'));
                settings.insert(name, json!(filler.to_string().repeat(beyond)));
            }
            6 => {
                let short = field.shortest.saturating_sub(random.usize(0..=1));
                settings.insert(name, json!("a".repeat(short)));
            }
            7 => {
                let length = random.usize(0..=12);
                let text: String = (0..length).map(|_| character(random)).collect();
                settings.insert(name, json!(text));
            }
            _ => {
                let text = match settings.get(&name) {
                    Some(Value::String(text)) => text.clone(),
                    _ => String::new(),
                };
                let telling = random.choice(field.telling()).copied();
                settings.insert(name, json!(misspelt(&text, telling, random)));
            }
        }
    }
}

fn wrong_type(random: &mut Rng) -> Value {
    let values = [json!(null), json!(7), json!(1.5), json!(true), json!(["x"]), json!({"x": "x"})];
    random.choice(values).unwrap_or_default()
}

/// A text with one character too many, too few, twice, or instead of another.
fn misspelt(text: &str, telling: Option<char>, random: &mut Rng) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = random.usize(0..=characters.len());
    let inside = place.min(characters.len().saturating_sub(1));
    let character = match (random.u8(0..4), telling) {
        (0, _) => [' ', '\t', '\n', '\r'][random.usize(0..4)],
        (1, _) => odd_character(random),
        (2, Some(telling)) => telling,
        _ => character(random),
    };
    match random.u8(0..5) {
        0 if !characters.is_empty() => {
            characters.remove(inside);
        }
        1 if !characters.is_empty() => characters.insert(inside, characters[inside]),
        2 if !characters.is_empty() => characters[inside] = character,
        // White space at either end is what people paste.
        3 if random.bool() => characters.push(character),
        3 => characters.insert(0, character),
        _ => characters.insert(place, character),
    }
    characters.into_iter().collect()
}

fn slip(name: &str, random: &mut Rng) -> String {
    let mut characters: Vec<char> = name.chars().collect();
    match random.u8(0..3) {
        0 => {
            characters.pop();
        }
        1 => characters.push('s'),
        _ => characters.reverse(),
    }
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::Sampler;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "key": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[^\\s\\u0000-\\u001f]+$"},
                "number": {"type": "string", "pattern": "^\\+[1-9][0-9]{6,14}$"},
                "region": {"oneOf": [{"const": "eu"}, {"const": "us"}]},
                "odd": {"type": "string", "pattern": "^(?=a)a$", "examples": ["a"]},
                "count": {"type": "integer"},
            },
            "required": ["key", "number"],
            "additionalProperties": false,
        })
    }

    fn made(seed: u64, count: usize, make: fn(&mut Sampler) -> Map<String, Value>) -> Vec<Value> {
        let mut sampler = Sampler::new(&schema(), seed);
        (0..count).map(|_| Value::Object(make(&mut sampler))).collect()
    }

    #[test]
    fn good_settings_are_good_and_broken_ones_mostly_are_not() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let good = made(1, 2000, Sampler::good);
        assert!(good.iter().all(|settings| validator.is_valid(settings)));
        assert_eq!(good[0].as_object().unwrap().len(), 5);
        assert_eq!(good[1].as_object().unwrap().len(), 2);
        let longest = good.iter().filter_map(|settings| settings["key"].as_str());
        assert_eq!(longest.map(|key| key.chars().count()).max(), Some(64));
        let broken = made(1, 2000, Sampler::broken);
        let taken = broken.iter().filter(|settings| validator.is_valid(settings)).count();
        assert!(taken < 1000, "{taken}");
        for keyword in
            ["required", "additionalProperties", "type", "pattern", "maxLength", "minLength"]
        {
            let is_broken = |settings: &&Value| {
                validator.iter_errors(settings).any(|error| error.kind().keyword() == keyword)
            };
            assert!(broken.iter().filter(is_broken).count() > 10, "{keyword}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_settings() {
        assert_eq!(made(7, 50, Sampler::broken), made(7, 50, Sampler::broken));
        assert_ne!(made(7, 50, Sampler::good), made(8, 50, Sampler::good));
        assert_eq!(Sampler::new(&schema(), 1).not_understood().collect::<Vec<_>>(), ["odd"]);
    }

    #[test]
    fn what_another_schema_tells_apart_is_tried() {
        let narrowed =
            json!({"properties": {"key": {"pattern": "^[^\\s\\u0000-\\u001f\\u4321]+$"}}});
        let holds = |sampler: Sampler| {
            let mut sampler = sampler;
            (0..500)
                .any(|_| sampler.good()["key"].as_str().is_some_and(|key| key.contains('\u{4321}')))
        };
        assert!(!holds(Sampler::new(&schema(), 1)));
        assert!(holds(Sampler::new(&schema(), 1).compared_with(&narrowed)));
    }
}
