import CIDN2

/// Converts U-labels to A-labels, the spelling in DNS, URLs and certificates (RFC 5890, UTS #46 non-transitional).
///
/// Postfix also converts non-transitionally. Transitional processing maps `straße.de` to `strasse.de`, so it would look up
/// the policy of another domain.
///
/// Concurrency: pure function; libidn2 has no state.
/// Not here: the grammar of host names (`DomainName` of MTASTS). Callers pass names with non-ASCII characters only.
package enum InternationalDomainName {
    /// The name has no A-label form.
    package struct ConversionError: Error, Equatable, Sendable, CustomStringConvertible {
        /// libidn2's reason, or a reason in the same form.
        package let reason: String
        package var description: String { "not a valid internationalised name: \(reason)" }
    }

    /// The longest input in octets: a name of 253 octets in ASCII has fewer than four times as many in UTF-8.
    private static let maximumInputLength = 1_024

    /// Converts `name`, which may mix U-labels, A-labels and ASCII labels.
    ///
    /// - Throws: `ConversionError` for a NUL, a too long input, and a name that UTS #46 forbids.
    package static func toASCII(_ name: String) throws(ConversionError) -> String {
        guard name.utf8.count <= maximumInputLength else { throw ConversionError(reason: "too long") }
        guard !name.utf8.contains(0) else { throw ConversionError(reason: "contains a NUL") }
        let flags = CInt(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue)
        var output: UnsafeMutablePointer<CChar>?
        let code = idn2_to_ascii_8z(name, &output, flags)
        guard code == CInt(IDN2_OK.rawValue), let output else {
            throw ConversionError(reason: String(cString: idn2_strerror(code)))
        }
        defer { idn2_free(output) }
        return String(cString: output)
    }
}
