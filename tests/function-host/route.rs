//! Routes of HTTP triggers.

/// Whether a path matches a route template, such as `dead-letters/{letter-id}`. Templates with wildcards or constraints are not used.
pub(crate) fn matches(template: &str, path: &str) -> bool {
    let template = template.split('/');
    let mut segments = path.trim_start_matches('/').split('/');
    let all = template
        .map(|part| (part, segments.next()))
        .all(|(part, segment)| match segment {
            Some(segment) if part.starts_with('{') => !segment.is_empty(),
            // The platform's router does not look at case.
            Some(segment) => part.eq_ignore_ascii_case(segment),
            None => false,
        });
    all && segments.next().is_none()
}
