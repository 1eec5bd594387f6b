import Discovery
import Testing
import TestSupport

@Suite struct MXRecordTests {
    @Test func `a record is a preference and a name in lower case`() throws {
        let record = try MXRecord(rdata: mxData(258, name: "MX1.Example.COM"))
        #expect(record.preference == 258)
        #expect(record.exchange == .host("mx1.example.com"))
    }

    @Test func `the root is neither a host nor an error`() throws {
        #expect(try MXRecord(rdata: [0, 0, 0]).exchange == .root)
    }

    @Test func `DANE-2.2-e an address is not a host`() throws {
        #expect(try MXRecord(rdata: mxData(10, name: "192.0.2.1")).exchange == .noHost("192.0.2.1"))
        #expect(try MXRecord(rdata: mxData(10, name: "2001:db8::1")).exchange == .noHost("2001:db8::1"))
    }

    @Test func `a name with an underscore is a host, since Postfix connects to it`() throws {
        #expect(try MXRecord(rdata: mxData(10, name: "mx_1.example.com")).exchange == .host("mx_1.example.com"))
    }

    @Test func `octets outside host names make no host, and are escaped`() throws {
        #expect(try MXRecord(rdata: mxData(10, name: "m x.example.com")).exchange == .noHost("m x.example.com"))
        #expect(
            try MXRecord(rdata: mxData(10, name: "m\u{0}\n.example.com")).exchange == .noHost(#"m\x00\x0A.example.com"#)
        )
        #expect(try MXRecord(rdata: mxData(10, name: "-mx.example.com")).exchange == .noHost("-mx.example.com"))
    }

    @Test func `a dot inside a label does not make two labels`() throws {
        let label = [10] + Array("mx.example".utf8)
        let exchange = try MXRecord(rdata: [0, 10] + label + wireName("com")).exchange
        #expect(exchange == .noHost("mx.example.com"))
    }

    @Test(
        arguments: [
            ([], .tooShort), ([0], .tooShort), ([0, 10], .tooShort), ([0, 10, 2, 0x6D], .tooShort),
            ([0, 10, 2, 0x6D, 0x78], .tooShort), ([0, 10, 2, 0x6D, 0x78, 0, 0], .trailingOctets),
            ([0, 10, 0xC0, 0x0C], .badLabel), ([0, 10, 64] + [UInt8](repeating: 0x61, count: 64) + [0], .badLabel),
            ([0, 10] + wireName([String](repeating: "aaaaaaa", count: 32).joined(separator: ".")), .nameTooLong),
        ] as [([UInt8], MXRecordError)])
    func `other data is a specific error`(rdata: [UInt8], error: MXRecordError) {
        #expect(throws: error) { try MXRecord(rdata: rdata) }
    }

    @Test func `every truncated record is an error, never a crash`() {
        let whole = mxData(10, name: "mx1.example.com")
        for end in whole.indices {
            #expect(throws: MXRecordError.self) { try MXRecord(rdata: Array(whole[..<end])) }
        }
    }

    @Test func `the longest DNS name is a host`() throws {
        let name = [63, 63, 63, 61].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        #expect(name.utf8.count == 253)
        #expect(try MXRecord(rdata: mxData(10, name: name)).exchange == .host(name))
    }
}
