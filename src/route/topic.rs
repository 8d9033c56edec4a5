//! Subscription topics, loaded as data from the R4 form (`Basic`) of the R5 SubscriptionTopic.

use super::filter::{Modifier, Parameter};
use crate::fhir::systems;
use serde_json::Value;

/// The topics that the gateway ships.
const BUILTIN: [(&str, &str); 3] = [
    ("safeguarding-flag", include_str!("../../profiles/topics/safeguarding-flag.json")),
    ("safeguarding-consent", include_str!("../../profiles/topics/safeguarding-consent.json")),
    ("safeguarding-task", include_str!("../../profiles/topics/safeguarding-task.json")),
];

/// What happened to a resource (R5 `interaction-trigger`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Its first version was stored.
    Create,
    /// A later version was stored.
    Update,
    /// It was deleted.
    Delete,
}

impl Trigger {
    /// The FHIR code: `create`, `update` or `delete`.
    pub fn code(self) -> &'static str {
        match self {
            Trigger::Create => "create",
            Trigger::Update => "update",
            Trigger::Delete => "delete",
        }
    }

    /// The trigger with this FHIR code, if it is one.
    pub fn from_code(code: &str) -> Option<Trigger> {
        match code {
            "create" => Some(Trigger::Create),
            "update" => Some(Trigger::Update),
            "delete" => Some(Trigger::Delete),
            _ => None,
        }
    }
}

/// A filter that a topic allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanFilterBy {
    /// The parameter.
    pub parameter: Parameter,
    /// The modifiers allowed besides none.
    pub modifiers: Vec<Modifier>,
}

/// One subscription topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its canonical, without version.
    pub url: String,
    /// Its business version.
    pub version: Option<String>,
    /// Its title, for people.
    pub title: String,
    /// The type of the resource that triggers it, which is the focus of its notifications.
    pub resource_type: String,
    /// The interactions that trigger it.
    pub triggers: Vec<Trigger>,
    /// What a subscription may filter by.
    pub filters: Vec<CanFilterBy>,
}

/// Why a topic could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It is not JSON.
    #[error("the topic is not JSON")]
    NotJson,
    /// It is not a `Basic` whose code is `SubscriptionTopic`.
    #[error("the resource is not a `Basic` with code `SubscriptionTopic`")]
    NotATopic,
    /// A part that is needed is missing.
    #[error("the topic has no `{0}`")]
    Missing(&'static str),
    /// It names something that the gateway cannot do.
    #[error("the topic's `{element}` is `{value}`, which is not supported")]
    Unsupported {
        /// The element.
        element: &'static str,
        /// Its value.
        value: String,
    },
}

/// All topics that the gateway serves.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    list: Vec<Topic>,
}

impl Topics {
    /// The topics that the gateway ships, under the canonical base in force. A test proves that they can be read.
    pub fn builtin() -> Result<Topics, TopicError> {
        let mut topics = Topics::default();
        for (_, text) in BUILTIN {
            let text = text.replace(systems::DEFAULT_BASE, systems::base());
            topics.add(&serde_json::from_str(&text).map_err(|_| TopicError::NotJson)?)?;
        }
        Ok(topics)
    }

    /// Adds the topic that a `Basic` resource holds; a topic of the same canonical is replaced.
    pub fn add(&mut self, basic: &Value) -> Result<(), TopicError> {
        let topic = Topic::from_basic(basic)?;
        self.list.retain(|known| known.url != topic.url);
        self.list.push(topic);
        Ok(())
    }

    /// The topic with this canonical (`url` or `url|version`), if the gateway serves it.
    pub fn get(&self, canonical: &str) -> Option<&Topic> {
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        self.list
            .iter()
            .find(|topic| topic.url == url && (version.is_none() || version == topic.version.as_deref()))
    }

    /// All topics, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.list.iter()
    }
}

impl Topic {
    /// Reads the `Basic` form. The extension URLs in use differ between implementations; what counts is the part
    /// after `SubscriptionTopic.`, of whichever FHIR version.
    pub fn from_basic(basic: &Value) -> Result<Topic, TopicError> {
        let is_topic = basic.get("resourceType").and_then(Value::as_str) == Some("Basic")
            && basic.pointer("/code/coding").and_then(Value::as_array).is_some_and(|codings| {
                codings.iter().any(|c| c.get("code").and_then(Value::as_str) == Some("SubscriptionTopic"))
            });
        if !is_topic {
            return Err(TopicError::NotATopic);
        }
        let parts: Vec<(&str, &Value)> = extensions(basic)
            .filter_map(|(url, extension)| {
                let (base, name) = url.rsplit_once("SubscriptionTopic.")?;
                base.starts_with("http://hl7.org/fhir/").then_some((name, extension))
            })
            .collect();
        let text = |name: &str| parts.iter().find(|(n, _)| *n == name).and_then(|(_, e)| text_value(e));
        let url = text("url").ok_or(TopicError::Missing("url"))?;
        let (_, trigger) = parts
            .iter()
            .find(|(n, _)| *n == "resourceTrigger")
            .ok_or(TopicError::Missing("resourceTrigger"))?;
        let resource_type =
            part(trigger, "resource").ok_or(TopicError::Missing("resourceTrigger.resource"))?;
        let resource_type = type_name(resource_type).to_owned();
        let mut triggers = Vec::new();
        for (_, interaction) in extensions(trigger).filter(|(url, _)| *url == "supportedInteraction") {
            let code = text_value(interaction).unwrap_or_default();
            triggers.push(Trigger::from_code(code).ok_or_else(|| TopicError::Unsupported {
                element: "supportedInteraction",
                value: code.to_owned(),
            })?);
        }
        let mut filters = Vec::new();
        for (_, by) in parts.iter().filter(|(n, _)| *n == "canFilterBy") {
            filters.push(can_filter_by(by, &resource_type)?);
        }
        Ok(Topic {
            url: url.to_owned(),
            version: text("version").map(str::to_owned),
            title: text("title").unwrap_or(url).to_owned(),
            resource_type,
            triggers,
            filters,
        })
    }
}

fn can_filter_by(by: &Value, resource_type: &str) -> Result<CanFilterBy, TopicError> {
    let name = part(by, "filterParameter").ok_or(TopicError::Missing("canFilterBy.filterParameter"))?;
    let parameter = Parameter::find(resource_type, name)
        .ok_or_else(|| TopicError::Unsupported { element: "filterParameter", value: name.to_owned() })?;
    let mut modifiers = Vec::new();
    for (_, modifier) in extensions(by).filter(|(url, _)| *url == "modifier") {
        let code = text_value(modifier).unwrap_or_default();
        modifiers.push(
            Modifier::from_code(code)
                .ok_or_else(|| TopicError::Unsupported { element: "modifier", value: code.to_owned() })?,
        );
    }
    Ok(CanFilterBy { parameter, modifiers })
}

/// The extensions of an element with their URLs.
pub(super) fn extensions(element: &Value) -> impl Iterator<Item = (&str, &Value)> {
    element
        .get("extension")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|e| Some((e.get("url")?.as_str()?, e)))
}

fn part<'a>(extension: &'a Value, name: &str) -> Option<&'a str> {
    extensions(extension).find(|(url, _)| *url == name).and_then(|(_, e)| text_value(e))
}

/// The text of an extension's value, of whichever string type.
fn text_value(extension: &Value) -> Option<&str> {
    extension.as_object()?.iter().find(|(key, _)| key.starts_with("value")).and_then(|(_, v)| v.as_str())
}

fn type_name(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_that_ship_can_be_read() {
        let topics = Topics::builtin().unwrap();
        let flag = topics.get(&systems::canonical("SubscriptionTopic/safeguarding-flag")).unwrap();
        assert_eq!(flag.resource_type, "Flag");
        assert_eq!(flag.triggers, [Trigger::Create, Trigger::Update, Trigger::Delete]);
        assert_eq!(flag.filters.len(), 10);
        assert!(topics.get(&format!("{}|0.1.0", flag.url)).is_some());
        assert!(topics.get(&format!("{}|9", flag.url)).is_none());
        assert!(topics.get("https://elsewhere.example/topic").is_none());
        assert_eq!(topics.iter().count(), BUILTIN.len());
    }

    #[test]
    fn a_topic_with_an_unknown_filter_is_refused() {
        let mut basic: Value = serde_json::from_str(BUILTIN[0].1).unwrap();
        let extension = basic["extension"].as_array_mut().unwrap();
        let by = extension.iter_mut().find(|e| e["url"].as_str().unwrap().ends_with("canFilterBy")).unwrap();
        by["extension"][2]["valueString"] = "shoe-size".into();
        assert_eq!(
            Topic::from_basic(&basic),
            Err(TopicError::Unsupported { element: "filterParameter", value: "shoe-size".into() })
        );
        assert_eq!(
            Topic::from_basic(&serde_json::json!({"resourceType": "Basic"})),
            Err(TopicError::NotATopic)
        );
    }
}
