import JSONTree
import KubeAPI
import KubeTypes

/// The label that tells the pods of one template from those of another, and which template a replica set is of.
enum TemplateHash {
    static let label = "pod-template-hash"
    /// No vowels and no digits that look like letters, so that no words appear and every name is a DNS label.
    private static let alphabet = Array("bcdfghjklmnpqrstvwxz2456789".utf8)
    private static let length = 10

    /// A short text for a template. Templates are told apart by comparing them: two that share a hash are moved apart by the
    /// collision count.
    static func hash(_ template: PodTemplateSpec, collisionCount: Int) -> String {
        // FNV-1a of 64 bits. Members are written in a fixed order, maps in that of their keys.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ bytes: [UInt8]) { for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 } }
        add(identity(template).bytes())
        if collisionCount > 0 { add(Array("#\(collisionCount)".utf8)) }
        var text: [UInt8] = []
        for _ in 0..<length {
            text.append(alphabet[Int(hash % UInt64(alphabet.count))])
            hash /= UInt64(alphabet.count)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What two templates must share to be the same: everything but the hash, and whether what says nothing is written down:
    /// `resources: {}` is what some clients send and others leave out.
    static func identity(_ template: PodTemplateSpec) -> JSON {
        var copy = template
        copy.metadata.labels[label] = nil
        return stripped(copy.json)
    }

    private static let emptyMeansAbsent: Set<String> = ["resources", "securityContext", "metadata", "labels", "annotations"]

    private static func stripped(_ json: JSON) -> JSON {
        switch json {
        case .object(let members):
            var kept = JSONObject()
            for (key, value) in members {
                let value = stripped(value)
                if emptyMeansAbsent.contains(key), value.object?.isEmpty == true { continue }
                kept[key] = value
            }
            return .object(kept)
        case .array(let items): return .array(items.map(stripped))
        default: return json
        }
    }
}
