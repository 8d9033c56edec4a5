//! Reading a Subscription resource, element by element, with an issue for each that is not supported.

use super::filter::{self, Filter};
use super::subscription::{Content, Status, Subscription};
use super::topic::{Topic, Topics, extensions};
use crate::fhir::Issue;
use serde_json::Value;

/// The canonical base of the guide's extensions.
pub(super) const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

/// Headers that the gateway sets itself, or that would change how the message is framed.
const RESERVED_HEADERS: [&str; 13] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
    "keep-alive",
    "user-agent",
];

/// Reads one Subscription resource; what is wrong is collected in `issues`.
pub(super) struct Reader<'a> {
    resource: &'a Value,
    issues: &'a mut Vec<Issue>,
}

impl<'a> Reader<'a> {
    /// A reader of this resource.
    pub(super) fn new(resource: &'a Value, issues: &'a mut Vec<Issue>) -> Reader<'a> {
        Reader { resource, issues }
    }

    /// The subscription as far as it could be read; it holds only if no issue was found.
    pub(super) fn read(mut self, topics: &Topics) -> Option<Subscription> {
        let resource = self.resource;
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        if text("resourceType") != Some("Subscription") {
            self.refuse("structure", "subscription-type", "", "the resource is not a `Subscription`");
            return None;
        }
        let status = text("status").and_then(Status::from_code);
        if status.is_none() {
            self.refuse(
                "value",
                "subscription-status",
                "Subscription.status",
                "the status is not one of `requested`, `active`, `error`, `off`",
            );
        }
        let end = match text("end") {
            None => None,
            Some(end) => {
                let end = end.parse().ok();
                if end.is_none() {
                    self.refuse("value", "subscription-end", "Subscription.end", "the end is not an instant");
                }
                end
            }
        };
        let topic = self.topic(topics);
        let filters = topic.map(|topic| self.filters(topic)).unwrap_or_default();
        let channel = self.channel();
        let (headers, mime, content) = (self.headers(), self.mime(), self.content());
        let numbers = self.channel_numbers();
        Some(Subscription {
            id: text("id").unwrap_or_default().to_owned(),
            status: status?,
            topic: topic?.clone(),
            filters,
            content: content?,
            mime: mime?,
            endpoint: channel?,
            headers,
            heartbeat_period: numbers.0,
            timeout: numbers.1,
            max_count: numbers.2,
            end,
        })
    }

    fn refuse(&mut self, code: &'static str, rule: &'static str, path: &str, text: impl Into<String>) {
        self.issues.push(Issue::error(code, rule, path, text));
    }

    fn topic<'t>(&mut self, topics: &'t Topics) -> Option<&'t Topic> {
        let criteria = self.resource.get("criteria").and_then(Value::as_str);
        let found = criteria.and_then(|canonical| topics.get(canonical));
        if found.is_none() {
            let known: Vec<String> = topics.iter().map(|t| format!("`{}`", t.url)).collect();
            self.refuse(
                "not-supported",
                "subscription-topic-unknown",
                "Subscription.criteria",
                format!(
                    "the criteria is not the canonical of a topic served here; they are {}",
                    known.join(", ")
                ),
            );
        }
        found
    }

    fn filters(&mut self, topic: &Topic) -> Vec<Filter> {
        let mut filters = Vec::new();
        let Some(element) = self.resource.get("_criteria") else { return filters };
        for (at, (url, extension)) in extensions(element).enumerate() {
            let path = format!("Subscription.criteria.extension[{at}]");
            match url.strip_prefix(BACKPORT) {
                Some("backport-filter-criteria") => {
                    match extension.get("valueString").and_then(Value::as_str) {
                        Some(text) => match filter::parse(text, topic, &path) {
                            Ok(read) => filters.extend(read),
                            Err(issues) => self.issues.extend(issues),
                        },
                        None => self.refuse(
                            "required",
                            "subscription-filter-syntax",
                            &path,
                            "the filter has no `valueString`",
                        ),
                    }
                }
                _ => self.unknown_extension(&path),
            }
        }
        filters
    }

    fn unknown_extension(&mut self, path: &str) {
        self.refuse("not-supported", "subscription-extension", path, "this extension is not supported here");
    }

    /// The endpoint, after the checks of the channel's type.
    fn channel(&mut self) -> Option<String> {
        let channel = self.resource.get("channel")?;
        match channel.get("type").and_then(Value::as_str) {
            Some("rest-hook") => {}
            _ => self.refuse(
                "not-supported",
                "subscription-channel",
                "Subscription.channel.type",
                "the only channel served is `rest-hook`",
            ),
        }
        if let Some(element) = channel.get("_type") {
            for (at, (url, extension)) in extensions(element).enumerate() {
                let path = format!("Subscription.channel.type.extension[{at}]");
                let code = extension.pointer("/valueCoding/code").and_then(Value::as_str);
                if url.strip_prefix(BACKPORT) != Some("backport-channel-type") {
                    self.unknown_extension(&path);
                } else if code != Some("rest-hook") {
                    self.refuse(
                        "not-supported",
                        "subscription-channel",
                        &path,
                        "the only channel served is `rest-hook`",
                    );
                }
            }
        }
        let endpoint = channel.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let wrong = match authority {
            None | Some("") => Some("the endpoint is not an absolute `https` URL"),
            Some(authority) if authority.contains('@') => {
                Some("the endpoint must not carry credentials; use `header`")
            }
            Some(_)
                if endpoint.contains('#')
                    || endpoint.chars().any(|c| c.is_whitespace() || c.is_control()) =>
            {
                Some("the endpoint has a fragment or a space")
            }
            Some(_) => None,
        };
        if let Some(text) = wrong {
            self.refuse("value", "subscription-endpoint", "Subscription.channel.endpoint", text);
            return None;
        }
        Some(endpoint.to_owned())
    }

    fn headers(&mut self) -> Vec<(String, String)> {
        let list = self.resource.pointer("/channel/header").and_then(Value::as_array);
        let mut headers = Vec::new();
        for (at, header) in list.into_iter().flatten().enumerate() {
            let path = format!("Subscription.channel.header[{at}]");
            let split = header.as_str().and_then(|h| h.split_once(':')).map(|(n, v)| (n.trim(), v.trim()));
            let Some((name, value)) = split else {
                self.refuse("value", "subscription-header", &path, "a header is written `Name: value`");
                continue;
            };
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            let lower = name.to_ascii_lowercase();
            if name.is_empty()
                || !name.chars().all(token)
                || value.chars().any(char::is_control)
                || !value.is_ascii()
            {
                self.refuse(
                    "value",
                    "subscription-header",
                    &path,
                    "the header's name or value has characters that HTTP does not allow",
                );
            } else if RESERVED_HEADERS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
                self.refuse(
                    "not-supported",
                    "subscription-header",
                    &path,
                    format!("the header `{lower}` is set by the gateway itself"),
                );
            } else {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        headers
    }

    fn mime(&mut self) -> Option<String> {
        let path = "Subscription.channel.payload";
        let Some(mime) = self.resource.pointer("/channel/payload").and_then(Value::as_str) else {
            self.refuse(
                "required",
                "subscription-payload-mime",
                path,
                "the payload's media type is required",
            );
            return None;
        };
        let mut parts = mime.split(';').map(str::trim);
        if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/fhir+json")) {
            self.refuse(
                "not-supported",
                "subscription-payload-mime",
                path,
                "the only media type served is `application/fhir+json`",
            );
            return None;
        }
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim_matches('"');
            let supported = match name.to_ascii_lowercase().as_str() {
                "fhirversion" => value == "4.0" || value == "4.0.1",
                "charset" => value.eq_ignore_ascii_case("utf-8"),
                _ => false,
            };
            if !supported {
                self.refuse(
                    "not-supported",
                    "subscription-payload-mime",
                    path,
                    "of the media type's parameters, only `fhirVersion=4.0` and `charset=utf-8` are served",
                );
            }
        }
        Some(mime.to_owned())
    }

    fn content(&mut self) -> Option<Content> {
        let path = "Subscription.channel.payload.extension";
        let mut content = None;
        let mut count = 0;
        if let Some(element) = self.resource.pointer("/channel/_payload") {
            for (at, (url, extension)) in extensions(element).enumerate() {
                if url.strip_prefix(BACKPORT) != Some("backport-payload-content") {
                    self.unknown_extension(&format!("{path}[{at}]"));
                    continue;
                }
                count += 1;
                content = extension.get("valueCode").and_then(Value::as_str).and_then(Content::from_code);
            }
        }
        if count != 1 {
            self.refuse(
                "required",
                "subscription-payload-content",
                path,
                "the extension `backport-payload-content` is required exactly once",
            );
        } else if content.is_none() {
            self.refuse(
                "not-supported",
                "subscription-payload-content",
                path,
                "the payload content is not one of `empty`, `id-only`, `full-resource`",
            );
        }
        content
    }

    /// Heartbeat period, timeout, maximum count.
    fn channel_numbers(&mut self) -> (Option<u32>, Option<u32>, Option<u32>) {
        let mut numbers = (None, None, None);
        let Some(channel) = self.resource.get("channel") else { return numbers };
        for (at, (url, extension)) in extensions(channel).enumerate() {
            let path = format!("Subscription.channel.extension[{at}]");
            let (place, member) = match url.strip_prefix(BACKPORT) {
                Some("backport-heartbeat-period") => (&mut numbers.0, "valueUnsignedInt"),
                Some("backport-timeout") => (&mut numbers.1, "valueUnsignedInt"),
                Some("backport-max-count") => (&mut numbers.2, "valuePositiveInt"),
                _ => {
                    self.unknown_extension(&path);
                    continue;
                }
            };
            let number = extension.get(member).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            match number {
                Some(number) if number > 0 && place.is_none() => *place = Some(number),
                _ => self.refuse(
                    "value",
                    "subscription-number",
                    &path,
                    format!("`{member}` must be a whole number above zero, given once"),
                ),
            }
        }
        numbers
    }
}
