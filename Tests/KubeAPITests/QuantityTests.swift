import KubeAPI
import Testing

@Suite struct QuantityTests {
    static let canonical: [(String, String)] = [
        ("0", "0"), ("0Mi", "0"), ("-0", "0"), ("1", "1"), ("1000", "1k"), ("1500", "1500"), ("0.5", "500m"), ("1500m", "1500m"), ("1000m", "1"), ("2000m", "2"), ("100m", "100m"), (".5", "500m"), ("1.", "1"),
        ("64Mi", "64Mi"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("0.5Ki", "512"), ("1Ki", "1Ki"), ("1000Ki", "1000Ki"), ("100Ki", "100Ki"),
        ("0.1Ki", "102400m"), ("1e3", "1e3"), ("1E3", "1e3"), ("12e6", "12e6"), ("1200e4", "12e6"), ("1E", "1E"), ("100u", "100u"), ("1n", "1n"),
        ("0.1n", "1n"), ("1.1n", "2n"), ("-0.1n", "-1n"), ("-500m", "-500m"), ("+3k", "3k"), ("1M", "1M"), ("1000000", "1M"), ("1e-3", "1e-3"),
        ("9223372036854775807", "9223372036854775807"), ("9223372036854775808", "9223372036854775807"), ("100E", "9223372036854775807"),
        ("1e2147483647", "9223372036854775807e0"), ("0.000000000000000000001", "1n"), ("8Ei", "9223372036854775807"), ("1000000000000000000000000000000000000000000", "9223372036854775807"),
    ]

    @Test(arguments: canonical)
    func hasCanonicalText(text: String, canonical: String) throws {
        let expected = canonical.hasSuffix("e0") ? String(canonical.dropLast(2)) : canonical
        #expect(try Quantity(text).description == expected)
        #expect(try Quantity(expected) == Quantity(text))
    }

    @Test(arguments: ["", "-", "m", "1x", "1 Mi", "1KI", "1ki", "0x10", "1e", "1e1.5", "1.2.3", "--1", "1mm", "e5", ".", "1e99999999999"])
    func refuses(text: String) {
        #expect { try Quantity(text) } throws: { "\($0)" == Quantity.syntaxMessage }
    }

    @Test func comparesAndAdds() {
        #expect(Quantity("1") == "1000m")
        #expect(Quantity("1Gi") > "1G")
        #expect(Quantity("1Gi").hashValue == Quantity("1024Mi").hashValue)
        #expect((Quantity("1Gi") + "512Mi").description == "1536Mi")
        #expect((Quantity("1") - "250m").description == "750m")
        #expect((Quantity.zero + "1Mi").description == "1Mi")
        #expect(Quantity("1500m").value == 2)
        #expect(Quantity("-1500m").value == -2)
        #expect(Quantity("1.0001").milliValue == 1001)
        #expect(Quantity(milli: 1234).description == "1234m")
        #expect(Quantity(1 << 30, format: .binarySI).description == "1Gi")
        #expect(Quantity("250m").doubleValue == 0.25)
    }
}
