import CIDN2

/// U-labels to A-labels: the spelling that DNS, URLs and certificates use (RFC 5890, UTS #46 non-transitional).
///
/// Postfix itself converts non-transitionally; transitional processing would make `strasse.de` of `straße.de`, and so
/// ask for another domain's policy.
/// Concurrency: pure function; libidn2 keeps no state.
/// Not here: what a host name may look like (MTASTS.DomainName). Pure ASCII needs no conversion and is not sent here.
package enum IDNA {
    /// A name that has no A-label form, and libidn2's reason.
    package struct Unconvertible: Error, Equatable, Sendable, CustomStringConvertible {
        package let reason: String
        package var description: String { "not a valid internationalised name: \(reason)" }
    }

    /// The longest input in octets: a name of 253 octets in ASCII has fewer than four times as many in UTF-8.
    private static let maximumInput = 1_024

    /// Converts `name`, which may mix U-labels, A-labels and ASCII labels.
    ///
    /// - Throws: `Unconvertible` for a NUL, an over-long input and whatever UTS #46 forbids.
    package static func toASCII(_ name: String) throws(Unconvertible) -> String {
        guard name.utf8.count <= maximumInput else { throw Unconvertible(reason: "too long") }
        guard !name.utf8.contains(0) else { throw Unconvertible(reason: "holds a NUL") }
        let flags = CInt(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue)
        var output: UnsafeMutablePointer<CChar>?
        let code = idn2_to_ascii_8z(name, &output, flags)
        guard code == CInt(IDN2_OK.rawValue), let output else {
            throw Unconvertible(reason: String(cString: idn2_strerror(code)))
        }
        defer { idn2_free(output) }
        return String(cString: output)
    }
}
