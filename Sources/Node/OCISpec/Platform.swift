import JSONTree

/// Operating system and processor, in Go's names, as images have them.
public struct Platform: Sendable, Hashable, CustomStringConvertible {
    public var os: String
    public var architecture: String
    /// `v8` and the like; empty if it does not matter.
    public var variant: String

    public init(os: String = "linux", architecture: String, variant: String = "") {
        (self.os, self.architecture, self.variant) = (os, architecture, variant)
    }

    init(json: JSON, at path: String) throws(OCIError) {
        let reader = try Reader(json, path)
        self.init(os: try reader.string("os") ?? "", architecture: try reader.string("architecture") ?? "", variant: try reader.string("variant") ?? "")
    }

    /// The platform this program was built for.
    public static var host: Platform {
        #if arch(x86_64)
        Platform(architecture: "amd64")
        #elseif arch(arm64)
        Platform(architecture: "arm64", variant: "v8")
        #else
        #error("name this architecture as Go does")
        #endif
    }

    /// Whether an image for `other` runs here. `arm64` alone means v8.
    public func runs(_ other: Platform) -> Bool {
        func variant(_ platform: Platform) -> String {
            platform.architecture == "arm64" && platform.variant.isEmpty ? "v8" : platform.architecture == "amd64" && platform.variant == "v1" ? "" : platform.variant
        }
        return os == other.os && architecture == other.architecture && variant(self) == variant(other)
    }

    public var description: String { "\(os)/\(architecture)" + (variant.isEmpty ? "" : "/\(variant)") }
}
