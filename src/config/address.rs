//! Splits a database URL into the parts that may contain secrets and the others.

/// `SCHEME://USER:PASSWORD@HOST?PARAMETERS`; missing parts are empty.
pub(super) struct Address<'a> {
    pub(super) scheme: &'a str,
    pub(super) user: &'a str,
    pub(super) password: Option<&'a str>,
    /// The host with port and path.
    pub(super) host: &'a str,
    pub(super) parameters: &'a str,
}

impl<'a> Address<'a> {
    /// Splits a text; `None` if it has no scheme.
    ///
    /// A password may contain any character, even one that should have been percent-encoded.
    pub(super) fn split(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (host, parameters) = host.split_once('?').unwrap_or((host, ""));
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user, None),
        };
        Some(Self { scheme, user, password, host, parameters })
    }
}
