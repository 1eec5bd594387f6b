import Discovery
import Testing
import TestSupport

@Suite struct AddressFilterTests {
    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
        "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1",
        "2001:db8::1", "2002:7f00:1::1", "2002:c0a8:101::1", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1",
        "ff02::1", "5f00::1",
    ])
    func `special-purpose addresses are refused`(text: String) throws {
        #expect(!AddressFilter().permits(try address(text)))
    }

    @Test(arguments: [
        "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.1",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808",
        "2002:808:808::1", "2001:200::1",
    ])
    func `globally reachable addresses are permitted`(text: String) throws {
        #expect(AddressFilter().permits(try address(text)))
    }

    @Test func `an allowed network is permitted, and no other`() throws {
        let rule = AddressFilter(allowing: [try #require(IPNetwork("127.0.0.0/8"))])
        #expect(rule.permits(try address("127.0.0.1")))
        #expect(!rule.permits(try address("10.0.0.1")))
        #expect(!rule.permits(try address("::1")))
    }
}
