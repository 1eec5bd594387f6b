import DANE
import Testing

@Suite struct TLSARecordTests {
    static let sha256 = [UInt8](repeating: 0xAB, count: 32)
    static let sha512 = [UInt8](repeating: 0xCD, count: 64)

    @Test func `a record is three octets and the rest`() throws {
        let record = try TLSARecord(rdata: [3, 1, 1, 7, 8, 9])
        #expect(record.usage == 3)
        #expect(record.selector == 1)
        #expect(record.matchingType == 1)
        #expect(record.associationData == [7, 8, 9])
    }

    @Test func `fewer than three octets are no record, with a named error`() {
        for octets in 0...2 {
            #expect(throws: TLSAError.tooShort(octets: octets)) {
                try TLSARecord(rdata: [UInt8](repeating: 3, count: octets))
            }
        }
    }

    @Test func `every record of three octets of header is read, whatever its values`() throws {
        for octet in UInt8.min...UInt8.max {
            #expect(try TLSARecord(rdata: [octet, octet, octet]).usage == octet)
        }
    }

    @Test(arguments: [
        [3, 1, 1] + sha256, [3, 0, 1] + sha256, [2, 0, 1] + sha256, [2, 1, 1] + sha256,
        [3, 1, 2] + sha512, [2, 0, 2] + sha512,
    ])
    func `DANE-2.2-a usages 2 and 3 with a fitting digest are usable`(
        rdata: [UInt8]
    ) throws {
        #expect(try TLSARecord(rdata: rdata).defect == nil)
    }

    @Test func `DANE-3.1.3-a PKIX-TA(0) and PKIX-EE(1) are unusable`() throws {
        #expect(try TLSARecord(rdata: [0, 1, 1] + Self.sha256).defect == .usage(0))
        #expect(try TLSARecord(rdata: [1, 1, 1] + Self.sha256).defect == .usage(1))
    }

    @Test func `DANE-6698-4.1-a an unknown usage, selector or matching type is unusable`() throws {
        for unknown in UInt8(4)...UInt8.max {
            #expect(try TLSARecord(rdata: [unknown, 1, 1] + Self.sha256).defect == .usage(unknown))
        }
        for unknown in UInt8(2)...UInt8.max {
            #expect(try TLSARecord(rdata: [3, unknown, 1] + Self.sha256).defect == .selector(unknown))
        }
        for unknown in UInt8(3)...UInt8.max {
            #expect(try TLSARecord(rdata: [3, 1, unknown] + Self.sha256).defect == .matchingType(unknown))
        }
    }

    @Test func `DANE-6698-4.1-a a digest of a wrong length, and no data at all, are unusable`() throws {
        for length in 0...130 where length != 32 {
            let record = try TLSARecord(rdata: [3, 1, 1] + [UInt8](repeating: 0, count: length))
            #expect(record.defect == .dataLength(length))
        }
        for length in 0...130 where length != 64 {
            let record = try TLSARecord(rdata: [3, 1, 2] + [UInt8](repeating: 0, count: length))
            #expect(record.defect == .dataLength(length))
        }
        #expect(try TLSARecord(rdata: [3, 1, 0]).defect == .dataLength(0))
    }

    @Test func `a defect and an error say what is wrong`() throws {
        let defects = [[1, 1, 1], [3, 2, 1], [3, 1, 3], [3, 1, 1], [3, 0, 0, 0], [3, 1, 0, 0]] as [[UInt8]]
        let texts = try defects.compactMap { try TLSARecord(rdata: $0).defect?.description }
        #expect(
            texts == [
                "certificate usage 1 is unusable for SMTP (RFC 7672 section 3.1.3)", "unknown selector 2",
                "unknown matching type 3", "0 octets of association data do not fit the matching type",
                "the full data (matching type 0) is not a certificate",
                "the full data (matching type 0) is not a public key",
            ])
        #expect("\(TLSAError.tooShort(octets: 2))" == "2 octets; a TLSA record has at least 3")
    }
}
