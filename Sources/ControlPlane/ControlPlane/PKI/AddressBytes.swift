import Glibc

/// The bytes of an IP address, as certificates carry them: 4 for IPv4, 16 for IPv6.
enum AddressBytes {
    static func parse(_ text: String) -> [UInt8]? {
        var four = in_addr(), sixteen = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
        if inet_pton(AF_INET6, text, &sixteen) == 1 { return withUnsafeBytes(of: &sixteen) { Array($0) } }
        return nil
    }
}
