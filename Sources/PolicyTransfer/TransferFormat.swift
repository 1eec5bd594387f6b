/// Policies in a file: what `sts-bridge cache export` writes and `sts-bridge cache import` reads, version 1.
///
/// One JSON object a line (RFC 8259, UTF-8, LF), keys sorted:
///
///     {"exported-at":"2026-11-21T07:00:00.123Z","format":"sts-bridge-policies","version":1}
///     {"asked-at":"2026-11-20T00:00:00.000Z","domain":"example.com","fetched-at":"2026-11-21T05:12:44.917Z","id":"20261101","policy":"version: STSv1\nmode: …"}
///     {"policies":1}
///
/// The first line says what follows, the last how many lines are between them: a file that was cut or edited is noticed.
/// `policy` is the text as published; where that is not UTF-8 there is `policy-base64` instead. `asked-at` may be missing.
/// `clock-behind-since` is there where the exporting host's clock was behind `fetched-at`: since when, by that clock.
/// Keys that are not known here are ignored, so that a later version 1 may say more; what an older reader would get
/// wrong needs version 2. Blank lines, CRLF and a missing final LF are borne.
enum TransferFormat {
    static let name = "sts-bridge-policies"
    static let version = 1

    /// Octets of a policy text: no fetch takes more (64 KiB, as RFC 8461 §3.3 suggests).
    static let maximumText = 65_536
    /// Octets of a line. The longest that is written has a policy of 64 KiB with six octets for each of its own
    /// (`\u0000`), which is 384 KiB, and some hundred more.
    static let maximumLine = 512 * 1_024
}
