/// The `oci-layout` file of an image layout.
public enum LayoutVersion {
    /// - Throws: ``OCIError`` if the layout is of a version that this program does not know.
    public static func check(_ bytes: [UInt8]) throws(OCIError) {
        let reader = try Reader(try parse(bytes, "oci-layout"), "oci-layout")
        let version = try reader.string("imageLayoutVersion")
        guard let version, version.hasPrefix("1.") else {
            throw OCIError(.unsupported, "oci-layout.imageLayoutVersion: expected 1.0.0, found \(version ?? "none")")
        }
    }
}
