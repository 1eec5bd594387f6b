/// The file that `sts-bridge cache export` writes and `sts-bridge cache import` reads, version 1.
///
/// Protocol: one JSON object on each line (RFC 8259, UTF-8, LF), with sorted keys:
///
///     {"exported-at":"2026-11-21T07:00:00.123Z","format":"sts-bridge-policies","version":1}
///     {"asked-at":"2026-11-20T00:00:00.000Z","domain":"example.com","fetched-at":"2026-11-21T05:12:44.917Z","id":"20261101","policy":"version: STSv1\nmode: …"}
///     {"policies":1}
///
/// The first line has the version. The last line counts the lines between them, so an import detects a truncated or edited
/// file. `policy` is the text as published; `policy-base64` replaces it if the text is not UTF-8. `asked-at` is optional.
/// `clock-behind-since` is present if the clock of the exporting host was behind `fetched-at`: since when, by that clock.
/// An import ignores unknown keys, blank lines, CRLF and a missing final LF. So a later version 1 may add keys; a change that
/// an older import would misread needs version 2.
enum TransferFormat {
    static let name = "sts-bridge-policies"
    static let version = 1

    /// The maximum length of a policy text in octets; a fetch accepts no more (64 KiB, RFC 8461 §3.3).
    static let maximumText = 65_536
    /// The maximum length of a line in octets. The longest line has 64 KiB of text, each octet escaped as `\u0000`, which
    /// is 384 KiB, and a few hundred octets more.
    static let maximumLine = 512 * 1_024
}
