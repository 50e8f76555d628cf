import Netlink
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("10.244.0.1", "10.244.0.1"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"), ("fe80::1", "fe80::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("1::", "1::"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
    ])
    func textIsCanonical(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "١.2.3.4", ":", ":::", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::",
        "1:2:3:4:5:6:7::8:9", "fe80::1%eth0", "1.2.3.4::", "+1::",
    ])
    func nonsenseIsRefused(text: String) { #expect(IPAddress(text) == nil) }

    @Test func prefixes() throws {
        let prefix = try #require(IPPrefix("10.244.3.77/22"))
        #expect(prefix.network == IPAddress("10.244.0.0"))
        #expect(prefix.count == 1024)
        #expect(prefix.contains(try #require(IPAddress("10.244.3.255"))))
        #expect(!prefix.contains(try #require(IPAddress("10.244.4.0"))))
        #expect(!prefix.contains(try #require(IPAddress("::1"))))
        #expect(IPPrefix("0.0.0.0/0")?.contains(try #require(IPAddress("255.1.2.3"))) == true)
        #expect(IPPrefix("2001:db8:1:2:3::/68")?.network == IPAddress("2001:db8:1:2::"))
        #expect(IPPrefix("2001:db8::/32")?.contains(try #require(IPAddress("2001:db8:ffff::"))) == true)
        #expect(IPPrefix("10.0.0.1")?.length == 32)
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "/8"] { #expect(IPPrefix(text) == nil, "\(text)") }
    }

    @Test func steps() {
        #expect(IPAddress("10.0.0.255")?.advanced(by: 1) == IPAddress("10.0.1.0"))
        #expect(IPAddress("255.255.255.255")?.advanced(by: 1) == nil)
        #expect(IPAddress("::ffff:ffff:ffff:ffff")?.advanced(by: 1) == IPAddress("0:0:0:1::"))
    }

    @Test func hardwareAddresses() {
        #expect(MACAddress("02:00:0a:f4:00:05")?.description == "02:00:0a:f4:00:05")
        for text in ["", "02:00:0a:f4:00", "02:00:0a:f4:00:05:06", "2:0:a:f4:0:5", "zz:00:0a:f4:00:05"] { #expect(MACAddress(text) == nil) }
    }
}
