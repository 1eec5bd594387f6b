import DANE
import Foundation
import Testing

/// Records of matching type Full(0): the data has to be the certificate or the key itself.
@Suite struct FullDataTests {
    /// A self-signed certificate of mx.example.com, P-256.
    static let certificate = octets(
        """
        MIIBiDCCAS2gAwIBAgIUaMvpcPSNmm3OHQahomSJaabvp9YwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwObXguZXhhbXBsZS5jb20wHhcNMjYxMT\
        I4MjMxMzQ1WhcNMzYxMTI1MjMxMzQ1WjAZMRcwFQYDVQQDDA5teC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOzOGXPB\
        6dsXR9gQevcNCoJjLMq3tzSzYuaaqX/effBb15V86SZkJrHbqFcRcUuSzBob6QTaHVIcPCaWVwVSchmjUzBRMB0GA1UdDgQWBBSr4CW0K4way+\
        WaxlOVxrONI3CqyTAfBgNVHSMEGDAWgBSr4CW0K4way+WaxlOVxrONI3CqyTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDA\
        60Qneq1g4ILcqU1vmx0jemkxSHw+5ftEaJZ1GlWmFwIhANRbbheh050wGdkHQDNrBiQNjOEubxeFfTvaeuj0EOtn
        """)
    /// Its key.
    static let ellipticCurveKey = octets(
        """
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7M4Zc8Hp2xdH2BB69w0KgmMsyre3NLNi5pqpf9598FvXlXzpJmQmsduoVxFxS5LMGhvpBNodUh\
        w8JpZXBVJyGQ==
        """)
    /// Another kind of key.
    static let ed25519Key = octets(
        """
        MCowBQYDK2VwAyEAy5Cb26DqGqn5H33ohHXWJR0/4Bt0wLigqUduDknkiwA=
        """)
    /// 1,024 bits, to be short.
    static let rsaKey = octets(
        """
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDEpDuodF2eKvYRdnUO3+puJiNi5pkCX504vYauAWmLMt7rNOInE13uPwrVwcUb51b5EhRbL6\
        EIQacFipholQtHLKbn2bjUsfiFOTgMah99jCHWXCJU14D1iYjWhgHXoQjRRmKXC1BicyFDu2hG1pfiwS4XsYZ8c0yU9KNpgjZ7+wIDAQAB
        """)

    private static func octets(_ base64: String) -> [UInt8] { [UInt8](Data(base64Encoded: base64) ?? Data()) }

    private static let keys = [ellipticCurveKey, ed25519Key, rsaKey]

    private func defect(_ selector: UInt8, data: [UInt8], usage: UInt8 = 3) throws -> TLSARecord.Defect? {
        try TLSARecord(rdata: [usage, selector, 0] + data).defect
    }

    @Test func `DANE-2.2-a a certificate with selector 0 and a key with selector 1 are usable`() throws {
        #expect(Self.certificate.count == 396)
        for usage in [UInt8(2), 3] {
            #expect(try defect(0, data: Self.certificate, usage: usage) == nil)
            for key in Self.keys { #expect(try defect(1, data: key, usage: usage) == nil) }
        }
    }

    @Test func `DANE-6698-4.1-a full data that is something else is unusable`() throws {
        #expect(try defect(0, data: [0]) == .notParsable(selector: 0))
        #expect(try defect(1, data: [0]) == .notParsable(selector: 1))
        #expect(try defect(0, data: TLSARecordTests.sha256) == .notParsable(selector: 0))
        #expect(try defect(1, data: TLSARecordTests.sha512) == .notParsable(selector: 1))
        // The right data with the wrong selector.
        #expect(try defect(1, data: Self.certificate) == .notParsable(selector: 1))
        for key in Self.keys { #expect(try defect(0, data: key) == .notParsable(selector: 0)) }
    }

    @Test func `DANE-2.2-b a set of full data that cannot be parsed promises TLS and no more`() {
        let set = TLSARecordSet(rdata: [[3, 0, 0, 0], [2, 1, 0, 0x30, 0]])
        #expect(!set.isUsable)
        #expect(set.total == 2)
    }

    @Test func `full data that is cut, or goes on, is unusable`() throws {
        for (selector, whole) in [(UInt8(0), Self.certificate)] + Self.keys.map({ (1, $0) }) {
            for length in 1..<whole.count {
                #expect(try defect(selector, data: Array(whole.prefix(length))) != nil, "\(length) octets")
            }
            #expect(try defect(selector, data: whole + [0]) != nil)
            #expect(try defect(selector, data: [0] + whole) != nil)
        }
    }

    @Test func `a length beyond the data is not followed`() throws {
        let content = Array(Self.ed25519Key.dropFirst(2))
        let headers: [[UInt8]] = [
            [0x30, 43], [0x30, 0x82, 0xFF, 0xFF], [0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF], [0x30, 0xFF],
        ]
        for header in headers {
            #expect(try defect(1, data: header + content) != nil, "\(header)")
        }
    }

    @Test func `a key of a known algorithm has that algorithm's form`() throws {
        // The last octet of each is the key's: 31 octets are no Ed25519 key.
        var short = Array(Self.ed25519Key.dropLast())
        short[1] -= 1
        short[10] -= 1
        #expect(short[9] == 3)
        #expect(try defect(1, data: short) == .notParsable(selector: 1))
        // An elliptic curve's point begins with 2, 3 or 4.
        var point = Self.ellipticCurveKey
        #expect(point[26] == 4)
        point[26] = 9
        #expect(try defect(1, data: point) == .notParsable(selector: 1))
    }

    @Test func `a key that OpenSSL does not know is unusable, alone and in a certificate`() throws {
        // Each differs in one octet of the algorithm's identifier.
        var key = Self.ed25519Key
        #expect(key[8] == 0x70)
        key[8] = 0x7F
        #expect(try defect(1, data: key) == .notParsable(selector: 1))
        var certificate = Self.certificate
        let identifier: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        let place = try #require(certificate.indices.first { certificate[$0...].starts(with: identifier) })
        certificate[place + 6] = 0x7F
        #expect(try defect(0, data: certificate) == .notParsable(selector: 0))
    }

    @Test func `any octet of a certificate may be any other: it is judged all the same`() throws {
        var usable = 0
        for place in Self.certificate.indices {
            for value in [UInt8(0), 0x30, 0x7F, 0x80, 0xFF] {
                var octets = Self.certificate
                octets[place] = value
                if try defect(0, data: octets) == nil { usable += 1 }
            }
        }
        // Names, times, key and signature are left to TLS; lengths and tags are not.
        #expect(usable > 500)
        #expect(usable < 396 * 5 - 100)
    }
}
